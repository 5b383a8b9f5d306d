package arbiter

import (
	"strings"
	"testing"
)

func TestScaledWorkersComeAtOnceAndThoseTooManyDrain(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Numbers = 12 })
	before := s.waitReady(2)
	s.Scale(5, false)
	s.waitReady(5)
	s.Scale(1, false)
	s.wait("four are gone", func() bool { return len(s.dead) == 4 })
	left := make(chan *worker)
	s.post(func() { left <- s.dispensable() })
	if w := <-left; w.number != 0 || w.pid != before[0].pid && w.pid != before[1].pid {
		t.Errorf("worker %d, pid %d is left of %v", w.number, w.pid, before)
	}
	if log := s.logged(); strings.Count(log, "worker drained") != 4 || strings.Contains(log, "level=WARN") {
		t.Error("they did not drain")
	}
	s.Scale(2, false)
	s.waitReady(6)
}

func TestWorkerThatIsToBeRenewedIsTheFirstToGo(t *testing.T) {
	s := begin(t, "app", func(o *Options) { o.Workers, o.Numbers = 3, 12 })
	s.waitReady(3)
	s.post(func() {
		s.weary = append(s.weary, s.places[1].worker)
		s.places[1].worker.weary = true
		s.renewing, s.weary = s.weary[0], nil // its successor is not there yet
	})
	s.Scale(2, false)
	s.wait("it is gone", func() bool { return len(s.dead) > 0 })
	s.post(func() {
		if s.serving() != 2 || s.renewing != nil || s.places[1].worker != nil {
			t.Errorf("%d serve, %v is renewed", s.serving(), s.renewing)
		}
	})
}

func TestNoWorkerIsBesideTheFullNumberWhereRoomIsTight(t *testing.T) {
	told := make(chan counts, 99)
	s := begin(t, "app", func(o *Options) {
		o.Numbers = 12
		o.Counted = func(there, serving int, ending bool) { told <- counts{there, serving, ending} }
	})
	first := s.waitReady(2)[0]
	s.Scale(2, true)
	s.post(func() { s.renew(s.places[first.worker].worker, "a test") })
	s.Scale(3, true) // what comes is this one, not a successor
	s.waitReady(3)
	s.post(func() {
		if s.renewing != nil || s.serving() != 3 {
			t.Errorf("%d serve, %v is renewed", s.serving(), s.renewing)
		}
	})
	s.Scale(3, false)
	s.waitReady(4)
	s.wait("the renewed one is gone", func() bool { return len(s.dead) == 1 && s.dead[0] == first.worker })
	s.drainIn(patience)
	most, last := 0, counts{}
	for len(told) > 0 {
		last = <-told
		most = max(most, last.there)
	}
	if most != 4 || !last.ending || last.there != 0 {
		t.Errorf("at most %d were told, at last %+v", most, last)
	}
}

func TestWorkerThatRunsTheFewestRequestsIsTheFirstToLeave(t *testing.T) {
	s := begin(t, "app", func(o *Options) {
		o.Workers, o.Numbers = 3, 12
		o.Busy = func(worker int) int { return []int{2, 1, 3}[worker] }
	})
	s.waitReady(3)
	s.Scale(1, false)
	s.wait("two are gone", func() bool { return len(s.dead) == 2 })
	left := make(chan int)
	s.post(func() { left <- s.dispensable().number })
	if n := <-left; n != 2 {
		t.Errorf("worker %d is left", n)
	}
}
