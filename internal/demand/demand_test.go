package demand

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var bounds = Bounds{Least: 2, Most: 4, Calm: 30 * time.Second}

// unlimited is memory for any number of workers.
func unlimited() Room { return Room{} }

// clock is when looks are taken: one after the other.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Unix(1e9, 0)} }

func (c *clock) next() time.Time {
	c.now = c.now.Add(LookEvery)
	return c.now
}

func TestOneLookDecidesWhetherOneMoreIsWanted(t *testing.T) {
	for name, c := range map[string]struct {
		o    Observation
		room Room
		by   int
		told bool
	}{
		"a request waits and no thread is free":           {o: Observation{Workers: 2, Ready: 2, Threads: 4, Busy: 8, Waited: Crowded}, by: 1},
		"it waits while threads only seem to be free":     {o: Observation{Workers: 2, Ready: 2, Threads: 4, Busy: 5, Waited: time.Second}, by: 1},
		"it has not waited long":                          {o: Observation{Workers: 2, Ready: 2, Threads: 4, Busy: 8, Waited: Crowded - 1}},
		"a thread sleeps, and is about to take it":        {o: Observation{Workers: 2, Ready: 2, Threads: 4, Busy: 7, Free: true, Waited: time.Second}},
		"there are as many as may be":                     {o: Observation{Workers: 4, Ready: 4, Threads: 4, Busy: 16, Waited: time.Minute}},
		"one more is on its way":                          {o: Observation{Workers: 3, Ready: 2, Threads: 4, Busy: 8, Waited: time.Minute}},
		"none lives: they crash as soon as they are born": {o: Observation{Workers: 2, Threads: 4, Waited: time.Minute}},
		"one beside a renewal":                            {o: Observation{Workers: 2, Ready: 3, Threads: 4, Busy: 12, Waited: time.Second}, by: 1},
		"it fits":                                         {o: Observation{Workers: 2, Ready: 2, Threads: 1, Busy: 2, Waited: time.Second}, room: Room{50, 50, "x"}, by: 1},
		"it does not fit": {o: Observation{Workers: 2, Ready: 2, Threads: 1, Busy: 2, Waited: time.Second}, room: Room{51, 50, "x"},
			told: true},
		"all is calm": {o: Observation{Workers: 4, Ready: 4, Threads: 4, Free: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var s Scaler
			step := s.Look(newClock().now, c.o, bounds, func() Room { return c.room })
			if step.By != c.by || (step.Refused != nil) != c.told || (step.Reason != "") != (c.by != 0) {
				t.Errorf("got %+v", step)
			}
		})
	}
}

func TestRoomIsOnlyAskedForWhenOneMoreIsWanted(t *testing.T) {
	var s Scaler
	c := newClock()
	for _, o := range []Observation{
		{Workers: 3, Ready: 3, Threads: 4, Free: true},
		{Workers: 4, Ready: 4, Threads: 4, Busy: 16, Waited: time.Minute},
		{Workers: 3, Ready: 2, Threads: 4, Busy: 8, Waited: time.Minute},
	} {
		s.Look(c.next(), o, bounds, func() Room { t.Errorf("asked at %+v", o); return Room{} })
	}
}

// calmFor looks at the same again and again, and returns how long it took until a worker was to leave; 0: none in that time.
func (c *clock) calmFor(s *Scaler, o Observation, b Bounds, longest time.Duration) time.Duration {
	for begun := c.now; c.now.Sub(begun) < longest; {
		if step := s.Look(c.next(), o, b, unlimited); step.By != 0 {
			return c.now.Sub(begun)
		}
	}
	return 0
}

func TestWorkerLeavesWhenFewerWouldHaveDoneForTheWholeCalmTime(t *testing.T) {
	for name, c := range map[string]struct {
		o     Observation
		leave bool
	}{
		"nothing to do":                         {Observation{Workers: 3, Ready: 3, Threads: 4, Free: true}, true},
		"as much as the others can do":          {Observation{Workers: 3, Ready: 3, Threads: 4, Busy: 8, Free: true}, true},
		"one more than the others can do":       {Observation{Workers: 3, Ready: 3, Threads: 4, Busy: 9, Free: true}, false},
		"a request waits, whoever seems free":   {Observation{Workers: 3, Ready: 3, Threads: 4, Free: true, Waited: Crowded}, false},
		"there are no more than there must be":  {Observation{Workers: 2, Ready: 2, Threads: 4, Free: true}, false},
		"a worker does not live":                {Observation{Workers: 3, Ready: 2, Threads: 4, Free: true}, false},
		"one thread each, and one has a client": {Observation{Workers: 3, Ready: 3, Threads: 1, Busy: 1, Free: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s Scaler
			took := newClock().calmFor(&s, c.o, bounds, 10*bounds.Calm)
			if c.leave != (took > 0) || c.leave && (took < bounds.Calm || took > bounds.Calm+2*LookEvery) {
				t.Errorf("one left after %v", took)
			}
		})
	}
}

func TestEachThatLeavesIsFollowedByACalmTimeOfItsOwn(t *testing.T) {
	var s Scaler
	c := newClock()
	for workers := 4; workers > 2; workers-- {
		took := c.calmFor(&s, Observation{Workers: workers, Ready: workers, Threads: 4, Busy: 1, Free: true}, bounds, time.Hour)
		if took < bounds.Calm {
			t.Errorf("of %d one left after %v", workers, took)
		}
	}
}

func TestAnInstantOfWorkForAllBeginsTheCalmAnew(t *testing.T) {
	var s Scaler
	c := newClock()
	calm := Observation{Workers: 3, Ready: 3, Threads: 1, Free: true}
	for range 20 {
		if took := c.calmFor(&s, calm, bounds, bounds.Calm-LookEvery); took > 0 {
			t.Fatalf("one left after %v", took)
		}
		busy := calm
		busy.Busy, busy.Free = 3, false
		s.Look(c.next(), busy, bounds, unlimited)
	}
}

func TestReasonTellsTheFigures(t *testing.T) {
	var s Scaler
	c := newClock()
	more := s.Look(c.next(), Observation{Workers: 2, Ready: 2, Threads: 4, Busy: 8, Waited: 356789 * time.Microsecond}, bounds, unlimited)
	if more.Reason != "a request has waited 357ms, and no thread is free" {
		t.Errorf("got %q", more.Reason)
	}
	var fewer Step
	for busy := 0; fewer.By == 0; busy = (busy + 1) % 6 {
		fewer = s.Look(c.next(), Observation{Workers: 3, Ready: 3, Threads: 4, Busy: busy, Free: true}, bounds, unlimited)
	}
	if !strings.HasPrefix(fewer.Reason, "at most 5 of 12 threads were busy for 30") {
		t.Errorf("got %q", fewer.Reason)
	}
}

func TestWantOfMemoryIsToldOnceUntilOneHasFitted(t *testing.T) {
	var s Scaler
	c := newClock()
	crowd := Observation{Workers: 2, Ready: 2, Threads: 1, Busy: 2, Waited: time.Second}
	tight := Room{Worker: 2 << 20, Left: 1 << 20, Of: "workers_memory"}
	asked, told := 0, 0
	look := func(r Room) Step {
		step := s.Look(c.next(), crowd, bounds, func() Room { asked++; return r })
		if step.Refused != nil {
			told++
			if *step.Refused != r {
				t.Errorf("told %+v", step.Refused)
			}
		}
		return step
	}
	for range 400 { // 100 s
		if step := look(tight); step.By != 0 {
			t.Fatal("one came without room")
		}
	}
	if told != 1 || asked < 15 || asked > 21 {
		t.Errorf("told %d times, asked %d times", told, asked)
	}
	for range refusedFor / LookEvery {
		if look(Room{Worker: 1, Left: 1, Of: "workers_memory"}).By == 1 {
			break
		}
	}
	if look(tight); told != 2 {
		t.Errorf("told %d times after one has fitted", told)
	}
}

// world is workers of one thread each, as a simulation: so many requests are there at once.
type world struct {
	clock
	scaler  Scaler
	workers int
	waited  time.Duration
	changes []int // what the number became
	when    []time.Time
}

// run has a load, the requests at once at each look, work on the workers for some time.
func (w *world) run(b Bounds, length time.Duration, load func(look int) int) {
	for look := range int(length / LookEvery) {
		requests := load(look)
		o := Observation{Workers: w.workers, Ready: w.workers, Threads: 1, Busy: min(requests, w.workers), Free: requests < w.workers}
		if w.waited += LookEvery; requests <= w.workers {
			w.waited = 0
		}
		o.Waited = w.waited
		if step := w.scaler.Look(w.next(), o, b, unlimited); step.By != 0 {
			w.workers += step.By
			w.changes, w.when = append(w.changes, w.workers), append(w.when, w.now)
		}
		if w.workers < b.Least || w.workers > b.Most {
			panic("out of bounds")
		}
	}
}

func TestBurstBringsWorkersQuicklyAndCalmTakesThemSlowly(t *testing.T) {
	w := &world{clock: *newClock(), workers: 1}
	b := Bounds{Least: 1, Most: 6, Calm: 30 * time.Second}
	w.run(b, 10*time.Second, func(int) int { return 5 })
	if !slices.Equal(w.changes, []int{2, 3, 4, 5}) || w.when[3].Sub(w.when[0]) > 2*time.Second {
		t.Fatalf("got %v at %v", w.changes, w.when)
	}
	w.changes, w.when = nil, nil
	w.run(b, 3*time.Minute, func(int) int { return 0 })
	if !slices.Equal(w.changes, []int{4, 3, 2, 1}) || w.when[3].Sub(w.when[0]) < 3*b.Calm {
		t.Fatalf("got %v at %v", w.changes, w.when)
	}
}

// Border loads are those that one number of workers can hardly do, and the next one easily.
func TestLoadAtTheBorderDoesNotGoToAndFro(t *testing.T) {
	const looks = int(time.Second / LookEvery)
	for name, load := range map[string]func(look int) int{
		"just what two can do":            func(int) int { return 2 },
		"three now and then":              func(look int) int { return 2 + look%40/39 },
		"two and three by turns":          func(look int) int { return 2 + look%2 },
		"three for two seconds in twenty": func(look int) int { return 2 + boolean(look%(20*looks) < 2*looks) },
		"three for two seconds each calm": func(look int) int { return 2 + boolean(look%(31*looks) < 2*looks) },
		"idle, then more than two":        func(look int) int { return 3 * boolean(look%(45*looks) < 2*looks) },
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{clock: *newClock(), workers: 2}
			w.run(Bounds{Least: 1, Most: 8, Calm: 30 * time.Second}, time.Hour, load)
			if len(w.changes) > 16 {
				t.Errorf("%d changes in an hour: %v", len(w.changes), w.changes)
			}
			if last := w.when; len(last) > 0 && w.now.Sub(last[len(last)-1]) < 10*time.Minute {
				t.Errorf("it goes on to change: %v", w.changes)
			}
		})
	}
}

func boolean(is bool) int {
	if is {
		return 1
	}
	return 0
}

func TestDeceptiveCalmIsForgottenWhenNobodyMissesWhoLeft(t *testing.T) {
	var s Scaler
	c := newClock()
	three := Observation{Workers: 3, Ready: 3, Threads: 1, Free: true}
	crowd := Observation{Workers: 2, Ready: 2, Threads: 1, Busy: 2, Waited: time.Second}
	for calm := bounds.Calm; calm <= longestCalm*bounds.Calm; calm *= 2 {
		took := c.calmFor(&s, three, bounds, 100*bounds.Calm)
		if took < calm || took > calm+2*LookEvery {
			t.Fatalf("it left after %v, not %v", took, calm)
		}
		if s.Look(c.next(), crowd, bounds, unlimited).By != 1 {
			t.Fatal("none came back")
		}
	}
	four := three
	four.Workers, four.Ready = 4, 4
	if took := c.calmFor(&s, four, bounds, 100*bounds.Calm); took < longestCalm*bounds.Calm || took > longestCalm*bounds.Calm+2*LookEvery {
		t.Fatalf("it left after %v, which is not the longest calm", took)
	}
	if took := c.calmFor(&s, three, bounds, 100*bounds.Calm); took < longestCalm*bounds.Calm {
		t.Fatalf("it left after %v: nobody knew yet whether the one before was missed", took)
	}
	four = Observation{Workers: 4, Ready: 4, Threads: 1, Free: true}
	if took := c.calmFor(&s, four, bounds, 100*bounds.Calm); took > bounds.Calm+2*LookEvery {
		t.Fatalf("it left after %v, though two had left for good", took)
	}
}
