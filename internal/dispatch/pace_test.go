//go:build linux

package dispatch

import (
	"testing"
	"time"
)

func TestLoopNapsOnlyWhenSeveralRepliesWillHaveComeAndNoThreadRunsDry(t *testing.T) {
	for _, c := range []struct {
		name              string
		perMilli, waiting int
		want              time.Duration
	}{
		{"fast and a long line", 100, 60, 200 * time.Microsecond},
		{"half of the line is taken sooner", 100, 20, 100 * time.Microsecond},
		{"the line would be empty at once", 100, 4, 0},
		{"slow and a long line: an eighth of it", 10, 60, 750 * time.Microsecond},
		{"slower: the longest", 5, 60, time.Millisecond},
		{"slow and a short line: half of it is taken sooner", 10, 3, 0},
		{"replies too rare", 1, 1000, 0},
		{"nobody waits", 100, 0, 0},
	} {
		p := pace{perMilli: c.perMilli}
		if got := p.nap(c.waiting, 0); got != c.want {
			t.Errorf("%s: %v instead of %v", c.name, got, c.want)
		}
	}
}

func TestLoopDoesNotNapWhileWorkersFillTheRoomForLargeReplies(t *testing.T) {
	const seen = int64(time.Second)
	p := pace{perMilli: 100}
	p.saw(manyPieces-1, seen)
	if p.nap(60, seen) == 0 {
		t.Fatal("no nap beside a reply that is not large")
	}
	p.saw(manyPieces, seen)
	p.saw(1, seen+1)
	if got := p.nap(60, seen+int64(manyFor)-1); got != 0 {
		t.Fatalf("a nap of %v while a worker may wait for room", got)
	}
	if p.nap(60, seen+int64(manyFor)) == 0 {
		t.Fatal("no nap, though the last large reply was long ago")
	}
}

func TestPaceIsThatOfTheLastMillisecond(t *testing.T) {
	p := pace{}
	p.replies = 40
	p.tick(int64(500 * time.Microsecond))
	if p.perMilli != 0 {
		t.Fatalf("%d per millisecond, measured over half of one", p.perMilli)
	}
	p.tick(int64(2 * time.Millisecond))
	if p.perMilli != 20 {
		t.Fatalf("%d per millisecond", p.perMilli)
	}
	p.tick(int64(time.Second))
	if p.perMilli != 0 {
		t.Fatalf("%d per millisecond after a second without a reply", p.perMilli)
	}
}
