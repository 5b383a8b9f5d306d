//go:build linux

package arbiter

import "context"

// What the arbiter tells of its processes. Nothing here changes anything.

// WorkerSnapshot is one worker at an instant.
type WorkerSnapshot struct {
	Number int
	Pid    int // 0 while it is not known
	State  WorkerState
}

// Snapshot is the processes at an instant.
type Snapshot struct {
	Zygote  int // its pid; 0 while there is none
	Workers []WorkerSnapshot
}

// Snapshot returns the processes that there are, and false when the arbiter has ended, or does not answer before the end of
// ctx.
func (a *Arbiter) Snapshot(ctx context.Context) (Snapshot, bool) {
	told := make(chan Snapshot, 1)
	select {
	case a.events <- func() { told <- a.snapshot() }:
		return <-told, true
	case <-a.finished:
	case <-ctx.Done():
	}
	return Snapshot{}, false
}

func (a *Arbiter) snapshot() Snapshot {
	var s Snapshot
	if a.zygote != nil && !a.zygote.alone {
		s.Zygote = a.zygote.process.pid
	}
	for _, at := range a.places {
		if w := at.worker; w != nil && !w.dead {
			s.Workers = append(s.Workers, WorkerSnapshot{Number: w.number, Pid: w.pid, State: w.state()})
		}
	}
	return s
}

func (w *worker) state() WorkerState {
	switch {
	case w.dead:
		return WorkerGone
	case w.condemned:
		return WorkerCondemned
	case w.drained:
		return WorkerDrained
	case w.ordered:
		return WorkerDraining
	case w.ready:
		return WorkerReady
	}
	return WorkerStarting
}
