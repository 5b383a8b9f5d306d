//go:build linux

package dispatch

import (
	"sync/atomic"
	"time"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/wire"
)

// A request has its time from the moment the application starts, until the first block of its reply, and anew from block to
// block. The scan keeps it, so a deadline is noticed up to two scans late and never early. What the application does not
// decide does not count: a client that takes nothing, or whose streamed body has not come.

// Overdue is a request that has used up its time.
type Overdue struct {
	InHand
	Slot, Fill uint32 // what the worker knows it by
}

// InHand is a request that a worker has.
type InHand struct {
	ID      uint64
	Request string // method and target
	Client  string
	Stage   Stage
	Age     time.Duration // since it was seen to have started, or gave its last block
	Worker  int
	Thread  int // the kernel's number; the worker's word
}

// Watcher is told of requests that have used up their time.
type Watcher interface {
	// Overdue says that a request was answered in the application's place, which still runs.
	Overdue(Overdue)
	// Returned says that the worker has given the request back after all.
	Returned(worker int, slot, fill uint32)
}

// claimPatience is how many scans a worker may take from claim to start. All that it waits for in between is the GIL: one that is stopped
// there, or whose other threads keep the GIL, loses the request to another worker.
const claimPatience = 10

// watch looks at the time of an exchange that was not rung for.
func (e *Exchange) watch(state slot.State) {
	switch state.Kind() {
	case wire.StateClaimed:
		if e.claimed++; e.claimed > claimPatience {
			e.claimed = 0
			e.take(state)
		}
	case wire.StateStarted, wire.StateAbandoned:
		if !e.overdue {
			e.keepTime(state)
		}
	}
}

// keepTime ends the time of a request. The application has it whether its client waits or has left: it is the thread that matters.
func (e *Exchange) keepTime(state slot.State) {
	now := e.port.loop.Clock.Nanos
	if e.limited.over(atomic.LoadUint32(&e.port.segment.Slot(e.slot).Limit), now) {
		e.expire(state)
		return
	}
	waits := e.receiver != nil && (e.Pending() > 0 || e.body != nil && e.body.stream && e.StreamWanted())
	if e.since == 0 || e.seen != e.produced || waits {
		e.since, e.seen = now, e.produced
		return
	}
	if e.timeout == 0 || time.Duration(now-e.since) < e.timeout {
		return
	}
	e.expire(state)
}

// limited is the time that an application has set itself for one request, whatever the settings say.
type limited struct {
	word  uint32 // as the scan has seen it last
	since int64
}

// over reports whether it is. The worker may say anything: at most its own request ends sooner.
func (l *limited) over(word uint32, now int64) bool {
	if word != l.word {
		l.word, l.since = word, now
	}
	tenths := int64(word >> 8)
	return tenths != 0 && now-l.since >= tenths*int64(time.Second/10)
}

// expire answers a request whose time is over in the application's place.
func (e *Exchange) expire(state slot.State) {
	if state.Kind() == wire.StateStarted && !e.port.segment.Abandon(e.slot, state) {
		return // it is done at this moment
	}
	o := Overdue{e.inHand(), e.slot, state.Generation()}
	e.giveUp(fault.RequestTimedOut)
	if e.port.watcher != nil {
		e.port.watcher.Overdue(o)
	}
}

// label is what a request was, when its receiver has left a worker with it.
type label struct {
	id              uint64
	request, client string
}

// detach takes the receiver away, and remembers whose request it was while a worker has it.
func (e *Exchange) detach() Receiver {
	receiver := e.receiver
	e.receiver = nil
	switch e.port.segment.State(e.slot).Kind() {
	case wire.StateClaimed, wire.StateStarted, wire.StateAbandoned:
		if receiver != nil {
			e.was.id = e.id
			e.was.request, e.was.client = receiver.Label()
		}
	}
	return receiver
}

// heldBy describes the request if worker w has it: claimed, started, or abandoned and not given back.
func (e *Exchange) heldBy(w int) (InHand, bool) {
	state := e.port.segment.State(e.slot)
	switch state.Kind() {
	case wire.StateClaimed, wire.StateStarted, wire.StateAbandoned:
		return e.inHand(), state.Worker() == w
	}
	return InHand{}, false
}

// inHand describes the request.
func (e *Exchange) inHand() InHand {
	h := InHand{ID: e.id, Worker: e.port.segment.State(e.slot).Worker(), Thread: int(atomic.LoadUint32(&e.port.segment.Slot(e.slot).Thread))}
	if e.since != 0 {
		h.Age = time.Duration(e.port.loop.Clock.Nanos - e.since)
	}
	h.Stage, _ = e.Stage()
	if e.receiver != nil {
		h.Request, h.Client = e.receiver.Label()
	} else if e.was.id == e.id {
		h.Request, h.Client = e.was.request, e.was.client
	}
	return h
}

// giveUp answers in the application's place, and leaves the slot to the worker, who gives it back some day.
func (e *Exchange) giveUp(why *fault.Fault) {
	e.overdue = true
	if w := e.port.segment.State(e.slot).Worker(); w < len(e.port.tallies) {
		e.port.tallies[w].TimedOut++
	}
	if receiver := e.detach(); receiver != nil {
		receiver.Failed(e, why)
	}
	if e.body != nil && e.body.stream {
		e.StreamEnd(false)
	}
}

// returned tells of an overdue request whose slot came back.
func (e *Exchange) returned() {
	if e.overdue = false; e.port.watcher != nil {
		e.port.watcher.Returned(e.port.segment.State(e.slot).Worker(), e.slot, e.state.Generation())
	}
}

// InHand appends what worker w works on, leaving out what is overdue.
func (p *Port) InHand(w int, all []InHand) []InHand {
	for i := range p.exchanges {
		e := &p.exchanges[i]
		if !e.active || e.receiver == nil {
			continue
		}
		if state := p.segment.State(e.slot); state.Kind() == wire.StateStarted && state.Worker() == w {
			all = append(all, e.inHand())
		}
	}
	return all
}

// GiveUp answers everything that worker w works on in its place: it can finish nothing any more.
func (p *Port) GiveUp(w int, all []InHand) []InHand {
	for i := range p.exchanges {
		e := &p.exchanges[i]
		if !e.active || e.receiver == nil {
			continue
		}
		state := p.segment.State(e.slot)
		if state.Kind() == wire.StateStarted && state.Worker() == w && p.segment.Abandon(e.slot, state) {
			all = append(all, e.inHand())
			e.giveUp(fault.RequestTimedOut)
		}
	}
	return all
}
