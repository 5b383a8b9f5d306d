//go:build linux

package arbiter

import (
	"math/rand/v2"
	"strings"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// Recycling: a worker that has served enough, lived long enough or grown too large is renewed, which goes one at a time.

// lookEvery is how often workers are held against their limits.
const lookEvery = 250 * time.Millisecond

// bornLarge is how long a worker serves at least that was over its limit before its first request: what comes after it would be, too.
const bornLarge = time.Minute

// Limits are what ends a worker's service; 0 is no limit. Each worker has its own, later by up to the jitter, so that those which
// began together do not end together.
type Limits struct {
	Requests, RequestsJitter int
	Lifetime, LifetimeJitter time.Duration
	Memory                   int64 // RSS in bytes, past which it is renewed
	MemoryHard               int64 // past which it is killed
}

// names are the settings that set a limit.
func (l Limits) names() string {
	var names []string
	for _, limit := range []struct {
		name string
		set  bool
	}{
		{"max_requests", l.Requests > 0},
		{"max_worker_lifetime", l.Lifetime > 0},
		{"max_worker_memory", l.Memory > 0},
		{"max_worker_memory_hard", l.MemoryHard > 0},
	} {
		if limit.set {
			names = append(names, limit.name)
		}
	}
	return strings.Join(names, ", ")
}

// allowance is what one worker may do before it is renewed.
type allowance struct {
	born     time.Time // when it was ready
	requests uint64    // 0: any number
	lifetime time.Duration
	large    time.Time // when it may be renewed for its memory
	over     bool      // it is past the hard limit, and about to be killed
}

// allow gives a worker that is ready its limits.
func (a *Arbiter) allow(w *worker) {
	l := a.options.Limits
	w.allowance.born = time.Now()
	if l.Requests > 0 {
		w.allowance.requests = uint64(l.Requests) + rand.Uint64N(uint64(l.RequestsJitter)+1)
	}
	if l.Lifetime > 0 {
		w.allowance.lifetime = l.Lifetime + rand.N(l.LifetimeJitter+1)
	}
	a.allowMemory(w)
}

// keepLooking holds the workers against their limits until Run returns.
func (a *Arbiter) keepLooking() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.post(a.look)
		case <-a.finished:
			return
		}
	}
}

func (a *Arbiter) look() {
	if a.draining || a.zygote != nil && a.zygote.alone {
		return
	}
	now := time.Now()
	var all []*worker
	for _, at := range a.places {
		w := at.worker
		if w == nil || !w.ready || w.leaving() {
			continue
		}
		all = append(all, w)
		if age := now.Sub(w.allowance.born); w.allowance.lifetime > 0 && age >= w.allowance.lifetime {
			a.renew(w, "max_worker_lifetime", "age", age.Round(time.Millisecond))
		}
	}
	if a.options.Limits.Requests > 0 && len(all) > 0 {
		a.options.Served(func(served []uint64) { a.mail(func() { a.countServed(all, served) }) })
	}
}

// countServed renews the workers that have served enough. A number may have been given to another worker since the loops were asked.
func (a *Arbiter) countServed(asked []*worker, served []uint64) {
	for _, w := range asked {
		if !w.dead && served[w.number] >= w.allowance.requests {
			a.renew(w, "max_requests", "requests", served[w.number], "limit", w.allowance.requests)
		}
	}
}

func (a *Arbiter) allowMemory(w *worker) {
	limit := a.options.Limits.Memory
	if limit == 0 || w.zygote.alone {
		return
	}
	rss := resident(w.pid)
	if rss <= limit {
		return
	}
	w.allowance.large = w.allowance.born.Add(bornLarge)
	a.unasked(w, func(unasked bool) {
		if !unasked { // it serves since it is ready, and that is what has made it large
			w.allowance.large = time.Time{}
			return
		}
		a.log.Warn("worker born too large", "worker", w.number, "pid", w.pid, "rss", size(rss), "limit", size(limit),
			"code", fault.WorkerTooLarge.Code,
			"hint", "max_worker_memory is less than a worker has before its first request; raise it, or workers are recycled every minute.")
	})
}

// unasked tells whether the worker has begun no request before the call. What it has in hand is asked for first, so that a request
// which ends meanwhile is among those served.
func (a *Arbiter) unasked(w *worker, tell func(bool)) {
	told := func(hand []Request, served []uint64) {
		if !w.dead {
			tell(len(hand) == 0 && served[w.number] == 0)
		}
	}
	a.options.InHand(w.number, func(hand []Request) {
		a.options.Served(func(served []uint64) { a.mail(func() { told(hand, served) }) })
	})
}

// weigh renews a worker that is too large, and kills one that is larger than any may be, whether it serves or starts or leaves.
func (a *Arbiter) weigh(w *worker) {
	switch l := a.options.Limits; {
	case w.zygote.alone || w.allowance.over:
	case l.MemoryHard > 0 && w.rss > l.MemoryHard:
		a.killTooLarge(w)
	case w.ready && l.Memory > 0 && w.rss > l.Memory && time.Now().After(w.allowance.large):
		a.renew(w, "max_worker_memory", "rss", size(w.rss), "limit", size(l.Memory))
	}
}

// killTooLarge kills the worker at once, and logs what that cost.
func (a *Arbiter) killTooLarge(w *worker) {
	a.condemn(w)
	w.allowance.over = true
	rss := w.rss
	a.options.InHand(w.number, func(lost []Request) {
		a.mail(func() {
			if w.dead {
				return
			}
			a.log.Error("worker killed", "worker", w.number, "pid", w.pid, "reason", "max_worker_memory_hard", "rss", size(rss),
				"limit", size(a.options.Limits.MemoryHard), "lost", labels(lost), "code", fault.WorkerTooLarge.Code)
			w.kill()
		})
	})
}
