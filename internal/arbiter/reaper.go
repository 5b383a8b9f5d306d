//go:build linux

package arbiter

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	// strayAgain is how long after a death, and after a look that left a zombie, the reaper looks.
	strayAgain = 400 * time.Millisecond
	// strayInterval is how often it looks when it heard of no death.
	strayInterval = 5 * time.Second
)

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
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	defer signal.Stop(deaths)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for soon := false; ; {
		select {
		case <-deaths:
			if !soon {
				soon = true
				timer.Reset(strayAgain)
			}
		case <-timer.C:
			next := strayInterval
			if soon = r.reap(); soon {
				next = strayAgain
			}
			timer.Reset(next)
		case <-ctx.Done():
			return
		}
	}
}

// reap takes strays. A zombie that is still there at the second look is one; who waits for a child of its own does so
// sooner. Once there is one, all that come up behind it are strays too, or an application that leaves many would fill the
// process table. It reports whether a zombie is left.
func (r *Reaper) reap() bool {
	for confirmed := false; ; {
		pid := zombie()
		confirmed = confirmed || pid == r.last
		r.last = pid
		if pid == 0 || !confirmed || r.knows(pid) {
			return pid != 0
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
