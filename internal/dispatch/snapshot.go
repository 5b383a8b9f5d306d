//go:build linux

package dispatch

import (
	"slices"
	"time"

	"speyside.dev/speyside/internal/wire"
)

// What a port tells of itself. Nothing here changes anything.

// Saturated reports that a request which came now would have to wait for a slot.
func (p *Port) Saturated() bool { return len(p.free) == 0 || len(p.waiting) > 0 }

// Stage is how far a request has come.
type Stage int

// The stages.
const (
	StageQueued  Stage = iota // no worker has begun it
	StageRunning              // the application works on it, or streams its reply
	StageSending              // the reply is complete, and the client has not taken all of it
	StageLeft                 // the client has left while the application works on it
	StageOverdue              // it was answered in the application's place, which still works on it
)

// Stage returns how far the request has come, and the number of the worker that has it; -1 while none has.
func (e *Exchange) Stage() (stage Stage, worker int) {
	state := e.port.segment.State(e.slot)
	worker = state.Worker()
	if worker >= e.port.segment.Workers { // no honest worker's
		worker = -1
	}
	switch {
	case e.done:
		return StageSending, e.worker
	case state.Kind() == wire.StateFilled:
		return StageQueued, -1
	case state.Kind() == wire.StateClaimed: // the environ is being built
		return StageQueued, worker
	case e.overdue:
		return StageOverdue, worker
	case e.receiver == nil || state.Kind() == wire.StateAbandoned:
		return StageLeft, worker
	}
	return StageRunning, worker
}

// Exchanges calls each with every request that is with the workers or in line.
func (p *Port) Exchanges(each func(*Exchange)) {
	for i := range p.exchanges {
		if e := &p.exchanges[i]; e.active {
			each(e)
		}
	}
}

// Pressure is how much there is to do for the workers.
type Pressure struct {
	Busy   int           // threads that have a request
	Free   bool          // a thread sleeps
	Waited time.Duration // how long the oldest request has waited that no thread has begun; 0: none waits
}

// Pressure returns it, as far as this port knows.
func (p *Port) Pressure() Pressure {
	q := Pressure{Free: p.queue.AnyAsleep()}
	p.Exchanges(func(e *Exchange) {
		switch {
		case e.done:
		case p.segment.State(e.slot).Kind() == wire.StateFilled:
			q.Waited = max(q.Waited, e.Age())
		default:
			q.Busy++
		}
	})
	if len(p.waiting) > 0 {
		q.Waited = max(q.Waited, time.Duration(p.loop.Clock.Nanos-p.waiting[0].since))
	}
	return q
}

// Age is how long ago the request was put in line.
func (e *Exchange) Age() time.Duration { return time.Duration(e.port.loop.Clock.Nanos - e.queued) }

// Thread is the kernel's number of the thread that has the request; the worker's word.
func (e *Exchange) Thread() int { return int(e.port.segment.Slot(e.slot).Thread) }

// Doer is the worker that has or had the request, its process and its generation; worker is -1 where none has claimed it.
func (e *Exchange) Doer() (worker, pid, generation int) {
	segment := e.port.segment
	if worker = e.worker; e.produced == 0 && !e.done {
		state := segment.State(e.slot)
		if worker = state.Worker(); state.Kind() == wire.StateFilled || worker >= segment.Workers {
			return -1, 0, 0
		}
	}
	return worker, segment.Pid(worker), segment.Generation
}

// Receiver is the connection that waits for the reply; nil when it has left.
func (e *Exchange) Receiver() Receiver { return e.receiver }

// Free is how many requests could be taken now.
func (p *Port) Free() int { return len(p.free) }

// Waiting is how many connections wait for a slot.
func (p *Port) Waiting() int { return len(p.waiting) }

// Served is how many requests each worker has served on this port, by its number. A number that is given to a new process begins anew.
func (p *Port) Served() []uint64 { return slices.Clone(p.served) }
