//go:build linux

package arbiter

import (
	"context"
	"time"
)

// What the arbiter tells of its processes. Nothing here changes anything.

// WorkerSnapshot is one worker at an instant.
type WorkerSnapshot struct {
	Number int
	Pid    int // 0 while it is not known
	State  WorkerState
}

// NumberSnapshot is the history of a worker's number.
type NumberSnapshot struct {
	Spawns  int       // processes that have had it
	Spawned time.Time // the last of them
}

// Snapshot is the processes at an instant.
type Snapshot struct {
	Zygote  int // its pid; 0 while there is none
	Workers []WorkerSnapshot
	Numbers []NumberSnapshot // by the number; those at the end that nobody has had are left out
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
	used := 0
	for number := range a.places {
		if a.places[number].spawns > 0 {
			used = number + 1
		}
	}
	for _, at := range a.places[:used] {
		s.Numbers = append(s.Numbers, NumberSnapshot{at.spawns, at.spawned})
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
