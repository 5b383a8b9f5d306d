//go:build linux

package front

import (
	"syscall"

	"speyside.dev/speyside/internal/accesslog"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/loop"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/wire"
)

// phase is what a connection is about. One request is served at a time; what a client sends ahead stays in the kernel or
// in the gather, so a pipelining client is slowed down and never reordered.
type phase uint8

const (
	phaseHead     phase = iota // between requests, or reading a head
	phasePreamble              // before all requests: a header of the PROXY protocol may come
	phaseBody                  // reading a body
	phaseSlot                  // the request is complete and waits for a slot
	phaseReply                 // with the workers; the reply is sent as it comes
	phaseFile                  // the workers are done with it, and what is left of the reply is in a file
	phaseLinger                // our side is closed; what still arrives is thrown away so that the client reads the last reply
	phaseClosed
)

// conn is one client connection. It lies on the free list of its lane between two lives.
type conn struct {
	lane      *lane
	transport loop.Transport
	socket    loop.Plain
	token     loop.Token
	timer     loop.Timer
	phase     phase
	readable  bool // the socket may have bytes
	halfShut  bool // the client has ended its side
	blocked   bool // the client has not taken what was sent last
	waiting   bool // for a slot
	streamed  bool // the request is with the workers, and its body still arrives
	speaks    bool // may speak the PROXY protocol
	relayed   bool // has spoken it
	route     *Route
	reads     int // of the socket that are left before the others have their turn

	limits  *http1.Limits
	telling uint64       // names of the headers in which a proxy is believed; 0: it is none, or not trusted
	origin  *wire.Origin // memory for what a proxy says, once one has
	parser  http1.Parser
	head    wire.Head
	headLen int
	body    http1.Body
	intake  *dispatch.Body // a body too large for the slot
	gather  *gather        // bytes that have come and are not a complete request yet
	request dispatch.Request

	received int64 // bytes that came since the body's time began anew, or since the connection lingers
	untaken  int   // bytes that the client had not taken when its time began anew

	exchange *dispatch.Exchange
	check    check // what the request asks of us
	facts    http1.RequestFacts
	framing  http1.Framing
	composed int   // bytes of our own head before the worker's fields; 0 until composed
	sent     int   // bytes sent of what is pending
	bodyLeft int64 // bytes the reply may still have; -1 for any number
	ended    bool  // the last chunk is sent

	entry    *entry // what the access log will say of the request in hand; nil: nothing, or there is no access log
	began    int64  // when the first byte of the request came
	status   int    // of the reply; 0 before it has begun
	bodySent int64  // bytes of its body, without what is left of the piece in hand

	interim []byte // of interim replies that the client has not taken yet; the final one waits for that
	rest    *rest  // of a reply whose exchange is over

	label    [120]byte // method and target of the request in hand, for the log
	labelLen int
	peer     [64]byte
}

// gather is memory for a request that does not come in one piece. A connection has one only while it needs it.
type gather struct {
	input  []byte
	fields []wire.Field
}

// gatherKept is the largest input buffer that is kept for the next user.
const gatherKept = 64 << 10

func (c *conn) pending() int {
	if c.gather == nil {
		return 0
	}
	return len(c.gather.input)
}

func (c *conn) wantGather() *gather {
	if c.gather != nil {
		return c.gather
	}
	l := c.lane
	if n := len(l.gathers); n > 0 {
		c.gather, l.gathers = l.gathers[n-1], l.gathers[:n-1]
	} else {
		c.gather = &gather{fields: make([]wire.Field, 0, max(l.limits.Fields, 1))}
	}
	return c.gather
}

func (c *conn) dropGather() {
	g := c.gather
	if g == nil {
		return
	}
	c.gather = nil
	if cap(g.input) > gatherKept {
		return
	}
	g.input, g.fields = g.input[:0], g.fields[:0]
	c.lane.gathers = append(c.lane.gathers, g)
}

// Ready implements [loop.Handler].
func (c *conn) Ready(events uint32) {
	c.reads = readsPerTurn
	if events&loop.Gone != 0 && c.phase != phaseLinger {
		c.close()
		return
	}
	if events&loop.HalfShut != 0 && !c.halfShut {
		c.clientLeft()
	}
	if events&(loop.Readable|loop.HalfShut|loop.Gone) != 0 {
		c.readable = true
	}
	if events&loop.Writable != 0 {
		c.writable()
	}
	c.read()
}

// writable goes on with a reply that the client had not taken.
func (c *conn) writable() {
	if c.rest != nil {
		c.rest.writable = true
	}
	if !c.blocked {
		return
	}
	c.blocked = false
	if c.phase == phaseFile {
		c.ship()
		return
	}
	c.pump()
}

// readsPerTurn bounds what one connection is read for before the others have their turn: a client that sends as fast as it is
// read would keep the loop for itself.
const readsPerTurn = 16

// yield goes on with the connection in the next turn. The connection may have ended by then, and even be another client's:
// then it reads what there is, which is never wrong.
func (c *conn) yield() {
	c.lane.loop.Post(func() {
		c.reads = readsPerTurn
		c.read()
	})
}

// Admitted implements [dispatch.Waiter].
func (c *conn) Admitted() {
	c.waiting = false
	if e := c.exchange; e != nil { // it waits to be moved
		c.Stranded(e)
		return
	}
	switch c.phase {
	case phaseHead:
		if !c.timer.In(c.lane.abandon) {
			c.lane.header.Set(&c.timer, c)
		}
	case phaseSlot:
		c.submitGathered()
	}
	c.read()
}

// Failed implements [dispatch.Receiver]. Who watches the time of requests logs those that have used it up.
func (c *conn) Failed(e *dispatch.Exchange, why *fault.Fault) {
	if why == fault.QueueTimedOut {
		c.crowdedOut(why)
		return
	}
	if why != fault.RequestTimedOut {
		c.lane.options.Log.Error("request failed", "id", c.identifier(), "why", why.Text, "request", string(c.label[:c.labelLen]), "code", why.Code)
	}
	c.ledger(e)
	c.exchange, c.streamed = nil, false
	outcome := accesslog.Cut
	if why == fault.RequestTimedOut {
		outcome = accesslog.TimedOut
	}
	switch {
	case c.composed == 0:
		c.refuse(why.Status, http1.Reason(why.Status)+"\n")
	case c.framing.Chunked || c.bodyLeft >= 0:
		c.lane.values[observe.RepliesCutTotal]++
		c.told(c.status, c.bodySent, outcome)
		c.close() // the client sees the reply incomplete
	default:
		c.lane.values[observe.RepliesCutTotal]++
		c.told(c.status, c.bodySent, outcome)
		c.reset()
	}
}

// Label implements [dispatch.Receiver].
func (c *conn) Label() (request, client string) {
	address := c.request.RemoteAddr
	if o := c.request.Origin; o != nil {
		address = o.Addr
	}
	return string(c.label[:c.labelLen]), string(address)
}

// identifier is the request's, as the log has it.
func (c *conn) identifier() string { return c.lane.options.Identify(c.request.ID) }

// wait asks for a slot. That it takes long is not the client's doing.
func (c *conn) wait() {
	c.stopTimer()
	if !c.waiting && c.lane.port.Full() {
		c.unlabel()
		c.crowdedOut(fault.QueueFull)
		return
	}
	if !c.waiting {
		c.waiting = true
		c.lane.port.Wait(c)
	}
	c.awaitStart()
}

// refuse answers by ourselves, and ends the connection in a way that lets the client read the answer.
func (c *conn) refuse(status int, text string) {
	if len(c.interim) > 0 && !c.sendInterim() {
		c.close() // what would follow could not be told from it
		return
	}
	clock := &c.lane.loop.Clock
	reply := http1.AppendError(c.lane.errors[:0], status, text, clock.Date(), c.lane.options.Server, c.head.HeadOnly)
	c.lane.values.CountReply(status)
	c.toldRefused(status, text)
	_, _ = c.transport.Write(reply) // a client that does not even take this is not worth waiting for
	c.hangUp()
}

// hangUp closes our side after a reply and reads on until the client has closed its own: a socket closed while bytes of the
// client's are unread or under way is reset, and the client may lose the reply that it has not read yet.
func (c *conn) hangUp() {
	c.letGo()
	_ = c.transport.CloseWrite()
	c.phase, c.received = phaseLinger, 0
	c.lane.lingering().Set(&c.timer, c)
	c.lane.front.crowd.look()
	c.readLinger()
}

// readLinger throws away what still comes, up to a bound: a client that does not stop is not reading either.
func (c *conn) readLinger() {
	if !c.readable {
		return
	}
	for range readsPerTurn {
		n, errno := c.transport.Read(c.lane.scratch)
		if errno == syscall.EAGAIN {
			c.readable = false
			return
		}
		c.received += int64(n)
		if errno != 0 || n == 0 || c.received > lingerMost {
			c.close()
			return
		}
	}
	c.yield()
}

// letGo gives up whatever the connection holds of the server.
func (c *conn) letGo() {
	c.timer.Stop()
	c.streamed, c.interim = false, nil
	if e := c.exchange; e != nil {
		c.exchange = nil
		e.Leave()
	}
	if c.intake != nil {
		c.intake.Release()
		c.intake = nil
	}
	c.unwait()
	c.dropRest()
	c.dropGather()
}

// unwait gives up the place among those that wait for a slot.
func (c *conn) unwait() {
	if c.waiting {
		c.lane.port.Unwait(c)
		c.waiting = false
	}
}

// close ends the connection.
func (c *conn) close() {
	if c.phase == phaseClosed {
		return
	}
	c.toldLeft()
	if c.exchange != nil || c.phase == phaseSlot {
		c.withdraw("gone")
	}
	c.letGo()
	c.phase = phaseClosed
	if c.rest == nil { // else a helper uses the socket
		c.dispose()
	}
}

// dispose gives the socket back, and the connection for another client.
func (c *conn) dispose() {
	c.dropRest()
	l := c.lane
	l.loop.Remove(c.socket.FD, c.token)
	delete(l.open, c)
	*c = conn{lane: l, phase: phaseClosed}
	l.spare = append(l.spare, c)
	l.front.crowd.leave()
	l.checkDrained()
}
