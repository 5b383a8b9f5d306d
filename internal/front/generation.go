//go:build linux

package front

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/slot"
)

// mostExpected is up to how many requests in hand a loop waits for a reply before it sleeps.
const mostExpected = 2

// Generation is what the front has of one load of the application: the segment's ports, one per loop. At any time one
// generation takes the requests; others finish what they have, or stand by.
type Generation struct {
	front   *Front
	segment *slot.Segment
	queue   *slot.Queue
	ports   []*dispatch.Port
	up      atomic.Int32 // workers that are there

	mu    sync.Mutex
	there map[int]bool // their numbers
}

// NewGeneration returns the front's side of a segment, which must have a port per loop. It takes no requests before [Front.Switch].
// The watcher, which may be nil, is told of requests that have used up their time, on the loops: it must not block.
func (f *Front) NewGeneration(segment *slot.Segment, watcher dispatch.Watcher) *Generation {
	queue := slot.NewQueue(segment)
	g := &Generation{front: f, segment: segment, queue: queue, there: map[int]bool{}}
	for i := range f.lanes {
		port := dispatch.NewPort(segment, queue, f.spool, i, f.options.InMemory)
		port.Watch(watcher)
		port.Bound(f.options.Line)
		if f.options.Count {
			port.Count()
		}
		g.ports = append(g.ports, port)
	}
	return g
}

// onEachLane runs do on every loop, and then done on the last one.
func (g *Generation) onEachLane(do func(*lane, *dispatch.Port), done func()) {
	left := new(atomic.Int32)
	left.Store(int32(len(g.ports)))
	for i, l := range g.front.lanes {
		l.loop.Post(func() {
			do(l, g.ports[i])
			if left.Add(-1) == 0 {
				done()
			}
		})
	}
}

// Switch gives the generation the line: requests that no worker has claimed yet, and all that come. It calls switched when
// every loop has done so.
func (f *Front) Switch(g *Generation, switched func()) {
	g.onEachLane(func(l *lane, p *dispatch.Port) { l.install(g, p) }, switched)
}

// WorkerReady says that worker w claims.
func (g *Generation) WorkerReady(w int) { g.count(w, true) }

// count notes whether worker w is there.
func (g *Generation) count(w int, there bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if there {
		g.there[w] = true
	} else {
		delete(g.there, w)
	}
	g.up.Store(int32(len(g.there)))
}

// WorkerDied takes back what worker w had, on every loop, and then calls acknowledged with it: from there on the number may be
// given to another process.
func (g *Generation) WorkerDied(w int, acknowledged func([]dispatch.InHand)) {
	g.count(w, false)
	g.gather(func(p *dispatch.Port, all []dispatch.InHand) []dispatch.InHand { return p.WorkerDied(w, all) }, func(all []dispatch.InHand) {
		g.segment.ClearWorker(w)
		acknowledged(all)
	})
}

// InHand calls told with what worker w works on.
func (g *Generation) InHand(w int, told func([]dispatch.InHand)) {
	g.gather(func(p *dispatch.Port, all []dispatch.InHand) []dispatch.InHand { return p.InHand(w, all) }, told)
}

// Served calls told with how many requests each worker has served, by its number. A number that is given to a new process begins anew.
func (g *Generation) Served(told func([]uint64)) {
	var mu sync.Mutex
	all := make([]uint64, g.segment.Workers)
	g.onEachLane(func(_ *lane, p *dispatch.Port) {
		mu.Lock()
		defer mu.Unlock()
		for w, n := range p.Served() {
			all[w] += n
		}
	}, func() { told(all) })
}

// Glance returns how much there is to do for the generation's workers, but for how long requests have waited, and whether any waits. It wakes no loop. The segment
// must be there until it has returned.
func (g *Generation) Glance() (p dispatch.Pressure, waits bool) {
	waits, busy, free := g.queue.Glance()
	return dispatch.Pressure{Busy: busy, Free: free}, waits
}

// Pressure calls told with all of it, which the loops know. Those that have let go of the generation have nothing.
func (g *Generation) Pressure(told func(dispatch.Pressure)) {
	var mu sync.Mutex
	var all dispatch.Pressure
	g.onEachLane(func(l *lane, p *dispatch.Port) {
		if !slices.Contains(l.ports, p) {
			return
		}
		q := p.Pressure()
		mu.Lock()
		defer mu.Unlock()
		all.Busy, all.Free, all.Waited = all.Busy+q.Busy, all.Free || q.Free, max(all.Waited, q.Waited)
	}, func() { told(all) })
}

// GiveUp answers what worker w works on in its place, and calls told with it.
func (g *Generation) GiveUp(w int, told func([]dispatch.InHand)) {
	g.gather(func(p *dispatch.Port, all []dispatch.InHand) []dispatch.InHand { return p.GiveUp(w, all) }, told)
}

func (g *Generation) gather(from func(*dispatch.Port, []dispatch.InHand) []dispatch.InHand, told func([]dispatch.InHand)) {
	var mu sync.Mutex
	var all []dispatch.InHand
	g.onEachLane(func(_ *lane, p *dispatch.Port) {
		mu.Lock()
		defer mu.Unlock()
		all = from(p, all)
	}, func() { told(all) })
}

// CutShort says that what is still with the workers will be ended by a stop, not by a fault of the application.
func (g *Generation) CutShort() {
	g.onEachLane(func(_ *lane, p *dispatch.Port) { p.CutShort() }, func() {})
}

// Retire says that the generation's workers claim nothing any more, and calls retired when every loop has let go of the
// segment: no reply lies in it any more. The generation must not be the one that takes the requests.
func (g *Generation) Retire(retired func()) {
	left := new(atomic.Int32)
	left.Store(int32(len(g.ports)))
	g.onEachLane(func(l *lane, p *dispatch.Port) {
		p.Retire()
		l.retiring = append(l.retiring, retiring{p, func() {
			if left.Add(-1) == 0 {
				retired()
			}
		}})
		l.moveLine(p)
		l.letGoOfPorts()
	}, func() {})
}

// Settle calls settled when every loop has done what was asked of it before.
func (g *Generation) Settle(settled func()) { g.onEachLane(func(*lane, *dispatch.Port) {}, settled) }

// retiring is a port that is let go of when nothing is in flight on it.
type retiring struct {
	port *dispatch.Port
	done func()
}

// install makes p, which is the generation's, the port that takes the loop's requests.
func (l *lane) install(g *Generation, p *dispatch.Port) {
	before := l.port
	l.port, l.line = p, g
	if !slices.Contains(l.ports, p) {
		p.Attach(l.loop, l.scan)
		l.ports = append(l.ports, p)
	}
	if before != nil && before != p {
		before.HandOver(p)
		l.moveLine(before)
	}
}

// moveLine moves the requests that wait on p, and bodies that still arrive, to the port that takes the requests.
func (l *lane) moveLine(p *dispatch.Port) {
	for c := range l.open {
		switch {
		case c.exchange != nil && c.exchange.Port() == p:
			c.move()
		case c.intake != nil:
			if err := c.intake.MoveTo(l.port); err != nil {
				c.noRoom(err)
			}
		}
	}
}

// letGoOfPorts drops the retiring ports that have nothing in flight.
func (l *lane) letGoOfPorts() {
	l.retiring = slices.DeleteFunc(l.retiring, func(r retiring) bool {
		if r.port.InFlight() > 0 {
			return false
		}
		r.port.Detach()
		l.ports = slices.DeleteFunc(l.ports, func(p *dispatch.Port) bool { return p == r.port })
		r.done()
		return true
	})
}

// move takes the connection's request to the port that takes the requests, if nobody has claimed it.
func (c *conn) move() bool {
	next := c.exchange.Move(c.lane.port, &c.request)
	if next == nil {
		return false
	}
	c.exchange = next
	c.feed()
	return true
}

// Stranded implements [dispatch.Receiver]. Without a free slot the request waits for one, before those that came later; meanwhile a
// worker that has not heard yet that it should drain may claim it.
func (c *conn) Stranded(*dispatch.Exchange) {
	switch next := c.lane.port; {
	case c.waiting || c.move() || !c.exchange.InLine():
	case next.Free() == 0:
		c.waiting = true
		next.WaitFirst(c)
	default:
		why := fault.NotHandedOver
		c.lane.options.Log.Error("request failed", "id", c.identifier(), "why", why.Text, "request", string(c.label[:c.labelLen]), "code", why.Code)
		c.refuse(why.Status, http1.Reason(why.Status)+"\n")
	}
}

// inFlight is how many requests the loop has with workers or in line.
func (l *lane) inFlight() int {
	n := 0
	for _, p := range l.ports {
		n += p.InFlight()
	}
	return n
}

// Turn implements [loop.Idler].
func (l *lane) Turn(events int) {
	for _, p := range l.ports {
		p.Turn(events)
	}
	if len(l.retiring) > 0 {
		l.letGoOfPorts()
	}
	if l.drained != nil {
		l.checkDrained() // the last request may be one whose client has left
	}
}

// Expecting implements [loop.Idler]: what few requests there are may be answered in a moment. Of many, some are done whenever one looks.
func (l *lane) Expecting() bool {
	n := 0
	for _, p := range l.ports {
		n += p.InFlight()
	}
	return n > 0 && n <= mostExpected
}

// Rung implements [loop.Idler].
func (l *lane) Rung() bool {
	for _, p := range l.ports {
		if p.Rung() {
			return true
		}
	}
	return false
}

// Sleep implements [loop.Idler].
func (l *lane) Sleep() bool {
	for i, p := range l.ports {
		if !p.Sleep() {
			for _, asleep := range l.ports[:i] {
				asleep.Awake()
			}
			return false
		}
	}
	return true
}

// Awake implements [loop.Idler].
func (l *lane) Awake() {
	for _, p := range l.ports {
		p.Awake()
	}
}

// Nap implements [loop.Idler]. While two generations are at work there is no telling when the next reply comes.
func (l *lane) Nap() time.Duration {
	if len(l.ports) != 1 {
		return 0
	}
	return l.ports[0].Nap()
}

// Pressing implements [loop.Idler].
func (l *lane) Pressing() bool {
	for _, p := range l.ports {
		if p.Pressing() {
			return true
		}
	}
	return false
}
