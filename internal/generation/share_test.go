package generation

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"
)

// crew is a load that has as many workers as it was told, after a while: each step starts one, makes one ready, or ends one.
type crew struct {
	s              *Succession
	number, wanted int
	there, serving int
	told           bool // Ready was called
	ending, ended  bool
	tight          bool
}

func (c *crew) Start()                        {}
func (c *crew) Enter()                        {}
func (c *crew) Retire()                       { c.ending = true }
func (c *crew) Kill()                         { c.ending = true }
func (c *crew) Scale(workers int, tight bool) { c.wanted, c.tight = workers, tight }

// step reports whether there was something to do.
func (c *crew) step() bool {
	wanted := c.wanted
	if c.ending {
		wanted = 0
	}
	switch {
	case c.ended:
		return false
	case c.there > wanted:
		c.there--
		c.serving = min(c.serving, c.there)
	case c.serving < c.there:
		c.serving++
	case c.there < wanted:
		c.there++
	case c.ending:
		c.ended = true
		c.s.Ended(c.number, nil)
		return true
	default:
		return false
	}
	c.s.Counted(c.number, c.there, c.serving, c.ending)
	if !c.told && c.wanted > 0 && c.serving >= c.wanted {
		c.told = true
		c.s.Ready(c.number)
	}
	return true
}

type crews struct {
	t       *testing.T
	s       *Succession
	all     []*crew
	most    int
	workers int
	overlap int
}

func newCrews(t *testing.T, workers, overlap int) *crews {
	c := &crews{t: t, workers: workers, overlap: overlap}
	c.s = New(Options{Probation: time.Hour, Workers: workers, Overlap: overlap, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Make: func(number int) (Load, error) {
			made := &crew{s: c.s, number: number, wanted: workers}
			c.all = append(c.all, made)
			return made, nil
		}})
	if err := c.s.Begin(); err != nil {
		t.Fatal(err)
	}
	c.run()
	return c
}

// run steps in random order until nobody has anything to do, and checks after each step that there are not too many.
func (c *crews) run() {
	c.t.Helper()
	for idle := 0; idle < 200; idle++ {
		if c.all[rand.IntN(len(c.all))].step() {
			idle = 0
		}
		there := 0
		for _, each := range c.all {
			there += each.there
		}
		c.most = max(c.most, there)
		if there > c.workers+c.overlap {
			c.t.Fatalf("%d workers, where %d and %d may be", there, c.workers, c.overlap)
		}
	}
}

func (c *crews) expect(number, serving, before int) {
	c.t.Helper()
	if c.s.Current() != number || c.all[number-1].serving != serving {
		c.t.Fatalf("generation %d serves; %d has %+v", c.s.Current(), number, *c.all[number-1])
	}
	if old := c.all[before-1]; old.there != c.overlap {
		c.t.Fatalf("the generation that stands by has %d workers", old.there)
	}
}

func TestReloadWithLittleRoomGrowsAsTheOldGenerationLeaves(t *testing.T) {
	for _, shape := range [][2]int{{4, 1}, {4, 3}, {5, 2}, {2, 1}, {16, 5}} {
		for range 20 {
			c := newCrews(t, shape[0], shape[1])
			for reload := range 4 {
				c.s.Reload()
				c.run()
				c.expect(reload+2, c.workers, reload+1)
				if c.most != c.workers+c.overlap {
					t.Fatalf("%v: at most %d workers: the room was not used", shape, c.most)
				}
				c.s.proved(c.s.current)
				c.run()
				if old := c.all[reload]; old.there != 0 {
					t.Fatalf("%v: generation %d still has %d", shape, old.number, old.there)
				}
			}
		}
	}
}

func TestRollbackWithLittleRoomBringsTheOldCapacityBack(t *testing.T) {
	for range 50 {
		c := newCrews(t, 4, 1)
		c.s.Reload()
		c.run()
		c.expect(2, 4, 1)
		for range 3 {
			c.s.Crashed(2, "a crash")
		}
		c.run()
		if old := c.all[0]; c.s.Current() != 1 || old.serving != 4 || c.all[1].there != 0 || old.tight {
			t.Fatalf("generation %d serves, %+v, %+v", c.s.Current(), *old, *c.all[1])
		}
	}
}

func TestReloadWithLittleRoomWaitsForTheOneBefore(t *testing.T) {
	c := newCrews(t, 4, 1)
	c.s.Reload()
	c.run()
	c.s.Reload()
	c.run()
	if len(c.all) != 2 {
		t.Fatal("a third generation began while the first stood by")
	}
	c.s.proved(c.s.current)
	c.run()
	c.expect(3, 4, 2)
}

func TestReloadWithLittleRoomThatFailsLeavesAllWorkers(t *testing.T) {
	c := newCrews(t, 4, 2)
	c.s.Reload()
	c.s.Crashed(2, "a crash")
	c.run()
	if c.s.Current() != 1 || c.all[0].serving != 4 || c.all[0].tight || c.all[1].there != 0 {
		t.Errorf("%+v, %+v", *c.all[0], *c.all[1])
	}
}

func TestScalingDuringAReloadWithLittleRoomIsKept(t *testing.T) {
	c := newCrews(t, 6, 1)
	c.s.Reload()
	c.s.Scale(3)
	c.run()
	if c.s.Current() != 2 || c.all[1].serving != 3 || c.all[0].serving != 1 {
		t.Errorf("generation %d serves, %+v, %+v", c.s.Current(), *c.all[0], *c.all[1])
	}
}
