package arbiter

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWorkerThatHasServedEnoughIsRecycled(t *testing.T) {
	var served atomic.Uint64
	s := begin(t, "app", func(o *Options) {
		o.Numbers, o.Limits = 4, Limits{Requests: 100, RequestsJitter: 20}
		o.Served = func(told func([]uint64)) { told([]uint64{served.Load(), 0, 0, 0}) }
	})
	s.waitReady(2)
	served.Store(121)
	after := s.waitReady(3)[2]
	s.wait("the old one is gone", func() bool { return len(s.dead) == 1 })
	if after.worker == 0 {
		t.Errorf("%v came at the number of a worker that still served", after)
	}
	s.waitLog("worker recycled\" worker=0")
	if log := s.logged(); !strings.Contains(log, "reason=max_requests requests=121 limit=1") {
		t.Error(log)
	}
}

func TestLimitsOfWorkersLieApartByTheirJitter(t *testing.T) {
	a := New(Options{Log: begin(t, "app").Arbiter.log, Limits: Limits{Requests: 10, RequestsJitter: 5, Lifetime: time.Hour, LifetimeJitter: time.Minute}})
	requests, lifetimes := map[uint64]bool{}, map[time.Duration]bool{}
	for range 300 {
		var w worker
		a.allow(&w)
		requests[w.allowance.requests], lifetimes[w.allowance.lifetime] = true, true
		if n, d := w.allowance.requests, w.allowance.lifetime; n < 10 || n > 15 || d < time.Hour || d > time.Hour+time.Minute {
			t.Fatalf("%d requests, %v", n, d)
		}
	}
	if len(requests) != 6 || len(lifetimes) < 200 {
		t.Errorf("%d numbers of requests and %d lifetimes", len(requests), len(lifetimes))
	}
}

func TestWorkersThatAreOldTogetherAreRecycledOneAtATime(t *testing.T) {
	most := 0
	s := begin(t, "app", func(o *Options) {
		o.Workers, o.Numbers, o.Limits = 3, 9, Limits{Lifetime: time.Second}
	})
	s.waitReady(3)
	for recycled := false; !recycled; {
		counted := make(chan int)
		s.post(func() {
			n := 0
			for _, at := range s.places {
				if at.worker != nil && !at.worker.leaving() {
					n++
				}
			}
			counted <- n
		})
		most = max(most, <-counted)
		s.change(func() { recycled = len(s.dead) >= 3 })
	}
	// One beside the full number. Those before it may still be on their way out.
	if most > 4 {
		t.Errorf("%d workers at once that are not about to leave", most)
	}
}

func TestWorkerPastTheHardLimitIsKilledEvenWhenItDrains(t *testing.T) {
	s := begin(t, "app does-not-drain", func(o *Options) {
		o.Workers, o.Numbers = 1, 3
		o.Limits = Limits{Memory: 1 << 40, MemoryHard: 1 << 41}
		o.InHand = func(_ int, told func([]Request)) { told([]Request{{Label: "GET /hog"}}) }
	})
	first := s.waitReady(1)[0]
	s.post(func() {
		s.drainWorker(s.places[0].worker)
		s.options.Limits.MemoryHard = 1 << 20
	})
	s.waitLog("worker killed")
	s.wait("it is gone", func() bool { return len(s.dead) > 0 })
	log := s.logged()
	if !gone(first.pid) || !strings.Contains(log, `lost="GET /hog`) || !strings.Contains(log, "reason=max_worker_memory_hard") {
		t.Error(log)
	}
}

func TestWorkerIsBornTooLargeOnlyBeforeItsFirstRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		inHand []Request
		served uint64
		want   string
	}{
		{"nothing was asked of it", nil, 0, "worker born too large"},
		{"it has its first request in hand", []Request{{Label: "GET /large"}}, 0, "reason=max_worker_memory"},
		{"it has served its first request", nil, 1, "reason=max_worker_memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, "app", func(o *Options) {
				o.Workers, o.Numbers, o.Limits = 1, 4, Limits{Memory: 1}
				o.InHand = func(_ int, told func([]Request)) { told(c.inHand) }
				o.Served = func(told func([]uint64)) { told([]uint64{c.served, c.served, c.served, c.served}) }
			})
			s.waitLog(c.want)
			if log := s.logged(); strings.Contains(log, "born too large") && c.served+uint64(len(c.inHand)) > 0 {
				t.Error(log)
			}
		})
	}
}
