package arbiter

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// overdueOptions are of an arbiter whose workers have nothing in hand but what the test says.
func overdueOptions(o *Options) {
	o.Workers, o.Numbers, o.TimeoutGrace = 1, 4, time.Hour
	o.InHand = func(_ int, told func([]Request)) { told(nil) }
	o.GiveUp = func(_ int, told func([]Request)) { told(nil) }
}

// run calls f on the goroutine of Run, and returns when it has.
func (s *stand) run(f func()) {
	done := make(chan struct{})
	s.post(func() { f(); close(done) })
	<-done
}

// oneProcessor has goroutines that are begun at once run in another order.
func oneProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func TestRequestThatCameBackAsItsWorkerDiedIsNotHeldAgainstTheNext(t *testing.T) {
	s := begin(t, "app", overdueOptions)
	first := s.waitReady(1)[0]
	s.change(func() { s.hold = true })
	kill(t, first.pid, syscall.SIGKILL)
	s.wait("the death is told", func() bool { return len(s.held) == 1 })
	oneProcessor(t)
	s.Returned(first.worker, 3, 1)
	s.change(func() {
		s.hold = false
		s.held[0]()
	})
	s.waitReady(2)
	s.run(func() {
		if w := s.at(first.worker); w == nil || w.weary {
			t.Error("the next worker at this number is recycled for what the one before had")
		}
	})
}

func TestThreadThatIsBackAtOnceIsNotWaitedFor(t *testing.T) {
	s := begin(t, "does-not-drain", overdueOptions)
	s.waitReady(1)
	oneProcessor(t)
	s.Overdue(Request{Worker: 0, Slot: 3, Filling: 1})
	s.Returned(0, 3, 1)
	s.waitLog("worker recycled")
	s.run(func() {
		if left := s.at(0).overdue; len(left) != 1 || !left[0].returned {
			t.Errorf("waiting for %d threads", len(left))
		}
	})
}

func TestWorkerThatIsReplacedWhileItIsRenewedHasOneSuccessor(t *testing.T) {
	s := begin(t, "app", overdueOptions)
	s.waitReady(1)
	s.run(func() {
		w := s.at(0)
		s.renew(w, "a test")
		s.graceOver(&overdue{worker: w})
	})
	s.wait("the old one is gone", func() bool { return len(s.dead) == 1 })
	s.waitReady(2)
	s.run(func() {
		n := 0
		for _, at := range s.places {
			if w := at.worker; w != nil && !w.leaving() {
				n++
			}
		}
		if n != 1 || s.renewing != nil {
			t.Errorf("%d workers instead of 1", n)
		}
	})
}
