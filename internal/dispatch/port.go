//go:build linux

// Package dispatch is the seam between protocols and workers: every protocol fills the same request shape and gets the
// same reply stream.
//
// A protocol's connection takes an [Exchange] from its loop's [Port], fills it, submits it, and is told of the reply as a
// [Receiver]. The package decides which request waits and which runs; it knows no protocol and never touches a socket.
package dispatch

import (
	"math/bits"
	"slices"
	"time"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/loop"
	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// scanEvery is how often slots in flight are looked at without having been rung for: what a worker that died between two
// instructions left is found then.
const scanEvery = 100 * time.Millisecond

// maxAttempts is how often a request that no application has seen may be given to a worker.
const maxAttempts = 2

// Receiver is the connection that waits for a reply.
type Receiver interface {
	// Progress says that the reply has new pieces, or is complete.
	Progress(*Exchange)
	// Park says that the reply is complete and its client does not take it: the receiver should keep what is left elsewhere, and
	// release the exchange.
	Park(*Exchange)
	// Failed says that there will be no (more) reply, and why. The exchange is released afterwards.
	Failed(*Exchange, *fault.Fault)
	// Label is the request's method and target, and the client's address, for the log.
	Label() (request, client string)
	// Stranded says that the request lies in a retired port, where nobody claims it: it moves, or fails, or is told again.
	Stranded(*Exchange)
}

// Waiter is a connection that has a request and no slot for it.
type Waiter interface {
	// Admitted says that a slot is free now.
	Admitted()
	// WaitedTooLong says that the time in line is over. It does not wait any more.
	WaitedTooLong()
}

// waiting is who waits, and since when.
type waiting struct {
	Waiter
	since int64
}

// Bounds are what the line is held to.
type Bounds struct {
	Requests int           // that may wait, of all loops; 0 for any number
	Time     time.Duration // that one may wait; 0 for any
}

// Port is one loop's door to the workers. All its methods run on that loop.
type Port struct {
	segment *slot.Segment
	queue   *slot.Queue
	spool   *spool.Spool
	index   int

	exchanges []Exchange // one per slot of this port
	free      []uint32   // last used first, so that few home blocks are touched
	inFlight  int
	waiting   []waiting
	bounds    Bounds
	bodies    []*Body
	inBlocks  int // bodies up to this size are kept in blocks

	retired bool
	served  []uint64 // requests, by the number of the worker
	tallies []Tally  // the same; nil: nobody wants to know
	watcher Watcher

	death *fault.Fault // what the death of a worker means for a request it had started

	loop  *loop.Loop
	scan  *loop.Class
	timer loop.Timer
	pace  pace
}

// NewPort returns port number index of the segment. Bodies of more than inBlocks bytes go to the spool.
func NewPort(segment *slot.Segment, queue *slot.Queue, spool *spool.Spool, index, inBlocks int) *Port {
	n := segment.Slots / segment.Ports
	p := &Port{segment: segment, queue: queue, spool: spool, index: index, inBlocks: min(inBlocks, MaxInBlocks), death: fault.WorkerDied,
		served: make([]uint64, segment.Workers), exchanges: make([]Exchange, n), free: make([]uint32, 0, n)}
	for i := n - 1; i >= 0; i-- {
		p.free = append(p.free, uint32(i))
	}
	return p
}

// Watch has w told of requests that have used up their time, on the port's loop.
func (p *Port) Watch(w Watcher) { p.watcher = w }

// NewScan returns the timers that the ports of a loop share.
func NewScan(l *loop.Loop) *loop.Class { return l.NewClass(scanEvery) }

// Attach joins the port to its loop and the loop's timers.
func (p *Port) Attach(l *loop.Loop, scan *loop.Class) { p.loop, p.scan = l, scan }

// Detach takes the port, which has nothing in flight, off its loop.
func (p *Port) Detach() { p.timer.Stop() }

// InFlight is how many requests are with the workers or in line.
func (p *Port) InFlight() int { return p.inFlight }

// Acquire takes a free slot for a request that is about to be complete; nil when all are in flight. It goes back by
// Submit and Release, or by Cancel.
func (p *Port) Acquire() *Exchange {
	n := len(p.free)
	if n == 0 {
		return nil
	}
	i := p.free[n-1]
	e := &p.exchanges[i]
	e.port, e.slot = p, uint32(p.index*len(p.exchanges))+i // here, and not for all at once: most are never used, nor is their memory
	p.free = p.free[:n-1]
	return e
}

// Cancel gives back an exchange that was not submitted.
func (p *Port) Cancel(e *Exchange) {
	e.giveLarge()
	p.free = append(p.free, e.slot-uint32(p.index*len(p.exchanges)))
}

// Bound holds the line to bounds.
func (p *Port) Bound(bounds Bounds) { p.bounds = bounds }

// Full reports that as many requests wait as may.
func (p *Port) Full() bool { return p.bounds.Requests > 0 && p.queue.Reaches(p.bounds.Requests) }

// Wait calls w once, when a slot is free or the time in line is over.
func (p *Port) Wait(w Waiter) {
	p.waiting = append(p.waiting, waiting{w, p.loop.Clock.Nanos})
	p.queue.Outside(1)
}

// WaitFirst does so before all others.
func (p *Port) WaitFirst(w Waiter) {
	p.waiting = slices.Insert(p.waiting, 0, waiting{w, p.loop.Clock.Nanos})
	p.queue.Outside(1)
}

// Unwait forgets w.
func (p *Port) Unwait(w Waiter) {
	for i := range p.waiting {
		if p.waiting[i].Waiter == w {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			p.queue.Outside(-1)
			return
		}
	}
}

// next takes the one who has waited longest.
func (p *Port) next() Waiter {
	w := p.waiting[0].Waiter
	p.waiting = append(p.waiting[:0], p.waiting[1:]...)
	p.queue.Outside(-1)
	return w
}

// late reports that who waits since then has waited as long as it may.
func (p *Port) late(since int64) bool {
	return p.bounds.Time > 0 && p.loop.Clock.Nanos-since >= int64(p.bounds.Time)
}

// Turn is called after the events of each turn of the loop, n of them: it hands out replies, admits who waits, and rings for what was pushed.
func (p *Port) Turn(events int) {
	p.collect()
	p.pace.tick(p.loop.Clock.Nanos)
	for n := min(len(p.waiting), len(p.free)); n > 0 && len(p.waiting) > 0; n-- {
		p.next().Admitted()
	}
	p.queue.Flush()
	if events == 0 {
		p.queue.Stalled()
	}
	if p.inFlight > 0 && !p.timer.In(p.scan) {
		p.scan.Set(&p.timer, p)
	}
}

// Sleep is called before the loop blocks and reports whether it may; if so, Awake follows.
func (p *Port) Sleep() bool { return p.segment.Sleep(p.index) }

// Rung reports that a worker has something for the loop.
func (p *Port) Rung() bool { return p.segment.Rung(p.index) }

// Awake takes Sleep back.
func (p *Port) Awake() { p.segment.Awake(p.index) }

// Nap is how long the loop should look away, after which there is more to do at once; 0 for not at all.
func (p *Port) Nap() time.Duration {
	if p.pace.perMilli == 0 || p.queue.AnyAsleep() {
		return 0
	}
	return p.pace.nap(p.queue.InWindow(), p.loop.Clock.Nanos)
}

// Pressing reports that the loop should come back within a millisecond even if nothing happens.
func (p *Port) Pressing() bool { return p.inFlight > 0 && p.queue.Pressing() }

func (p *Port) collect() {
	for group := range len(p.exchanges) / 64 {
		for done := p.segment.TakeDone(p.index, group); done != 0; done &= done - 1 {
			p.look(&p.exchanges[group*64+bits.TrailingZeros64(done)])
		}
	}
}

// look reads what a worker wrote for e and tells the receiver. A bit may be set at any time by anybody who has the
// segment, so it proves nothing.
func (p *Port) look(e *Exchange) {
	if !e.active {
		return
	}
	news, fine := e.read()
	switch {
	case e.receiver == nil:
		e.letGo()
	case !fine:
		e.abandon(e.wrong())
	case news:
		p.pace.replies++
		p.pace.saw(e.Pending(), p.loop.Clock.Nanos)
		e.receiver.Progress(e)
	case e.body != nil && e.body.stream:
		e.receiver.Progress(e) // the worker took or wants bytes of the body
	}
}

// Expired implements [loop.Expirer]: the scan.
func (p *Port) Expired(*loop.Class) {
	p.takeHandovers() // what was passed by a worker that has died is not kept
	for i := range p.exchanges {
		e := &p.exchanges[i]
		if !e.active {
			continue
		}
		if p.segment.State(e.slot).Kind() == wire.StateFilled {
			e.waitOn()
			continue
		}
		switch p.look(e); {
		case !e.active:
		case !e.done:
			if e.Relieve(); e.active {
				e.watch(p.segment.State(e.slot))
			}
		case e.receiver != nil && e.outstayed():
			e.park()
		}
	}
	for len(p.waiting) > 0 && p.late(p.waiting[0].since) {
		p.next().WaitedTooLong()
	}
	if p.inFlight > 0 {
		p.scan.Set(&p.timer, p)
	}
}

// CutShort says that workers are ended from now on because the server stops.
func (p *Port) CutShort() { p.death = fault.CutAtStop }

// WorkerDied takes back what worker w had, and appends it to all. When it returns, nothing of this port depends on that worker
// any more.
func (p *Port) WorkerDied(w int, all []InHand) []InHand {
	for i := range p.exchanges {
		e := &p.exchanges[i]
		if !e.active {
			continue
		}
		if held, is := e.heldBy(w); is {
			all = append(all, held)
		}
		e.workerDied(w)
	}
	p.served[w] = 0
	p.takeHandovers()
	p.queue.Flush()
	return all
}
