//go:build linux

package arbiter

import (
	"context"
	"sync"
	"time"
)

const strayInterval = 5 * time.Second

// Reaper takes the status of children that nobody waits for: what workers had started and left behind. One process has one,
// which all its arbiters share.
type Reaper struct {
	mu    sync.Mutex
	known map[int]int // how many arbiters wait for this pid
	last  int
}

// NewReaper makes this process the parent of orphans. The error says that they will not be seen; the reaper works all the same.
func NewReaper() (*Reaper, error) {
	return &Reaper{known: map[int]int{}}, becomeSubreaper()
}

// Run reaps until ctx ends.
func (r *Reaper) Run(ctx context.Context) {
	ticker := time.NewTicker(strayInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.reap()
		case <-ctx.Done():
			return
		}
	}
}

// reap takes strays. A zombie that is still there at the second look is one; who waits for a child of its own does so
// sooner. Once there is one, all that come up behind it are strays too, or an application that leaves many would fill the
// process table.
func (r *Reaper) reap() {
	for confirmed := false; ; {
		pid := zombie()
		confirmed = confirmed || pid == r.last
		r.last = pid
		if pid == 0 || !confirmed || r.knows(pid) {
			return
		}
		reapStray(pid)
	}
}

func (r *Reaper) knows(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[pid] > 0
}

// know says that somebody waits for pid; forget takes it back.
func (r *Reaper) know(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[pid]++
}

func (r *Reaper) forget(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[pid]--; r.known[pid] <= 0 {
		delete(r.known, pid)
	}
}
