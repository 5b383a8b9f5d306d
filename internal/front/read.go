//go:build linux

package front

import (
	"errors"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// inlineRoom is how many bytes of head and body fit a slot.
const inlineRoom = wire.HomeSize - wire.HomeHead

// read goes on with what has come, until the socket is empty or a request is with the workers.
func (c *conn) read() {
	for {
		before := c.phase
		switch c.phase {
		case phaseHead:
			if !c.readHead() {
				return
			}
		case phasePreamble:
			if !c.readPreamble() {
				return
			}
		case phaseBody:
			if !c.readBody() {
				return
			}
		case phaseReply:
			c.feed()
			return
		case phaseLinger:
			c.readLinger()
			return
		default:
			return
		}
		if c.phase == before && !c.readable && c.pending() == 0 {
			return
		}
	}
}

// receive reads once. It reports false when there is nothing: the socket would block, or the client is gone, in which case
// the connection is closed.
func (c *conn) receive(p []byte) (int, bool) {
	if !c.readable {
		return 0, false
	}
	if c.reads--; c.reads < 0 {
		c.yield()
		return 0, false
	}
	n, errno := c.transport.Read(p)
	return c.came(n, len(p), errno)
}

// came takes down what a read of up to size bytes has brought.
func (c *conn) came(n, size int, errno unix.Errno) (int, bool) {
	c.received += int64(n)
	if c.began == 0 {
		c.began = c.lane.loop.Clock.Nanos
	}
	switch {
	case errno == unix.EAGAIN:
		c.readable = false
		return 0, false
	case errno != 0 || n == 0:
		c.close()
		return 0, false
	}
	// A short read has emptied the socket; more bytes are a new event. Only the end of the stream that came with this
	// event is not.
	if n < size && !c.halfShut {
		c.readable = false
	}
	return n, true
}

// readHead reports false when it can do nothing more now.
func (c *conn) readHead() bool {
	if c.pending() > 0 || c.lane.limits.Fields > wire.HomeFields || c.lane.limits.Fields == 0 {
		return c.readHeadGathered()
	}
	if !c.readable {
		return false
	}
	e := c.lane.port.Acquire()
	if e == nil {
		if c.lane.options.LivePath != "" {
			return c.readHeadGathered() // it may be a health check, which needs no slot
		}
		c.wait()
		return false
	}
	memory := e.Memory()
	n, ok := c.receive(memory)
	if !ok {
		c.lane.port.Cancel(e)
		return false
	}
	c.head.Fields = e.Fields()
	headLen, err := c.parser.Parse(memory[:n], c.limits, &c.head)
	if err == nil && headLen > 0 {
		err = c.begin(memory, headLen)
	}
	if err != nil {
		c.lane.port.Cancel(e)
		c.noticePart(memory)
		c.malformed(err)
		return false
	}
	if headLen > 0 && c.check == checkNone && !c.head.Chunked && int64(headLen)+max(c.head.ContentLength, 0) <= int64(n) && !c.tooLarge(c.head.ContentLength) {
		end := headLen + int(max(c.head.ContentLength, 0))
		if end < n {
			g := c.wantGather()
			g.input = append(g.input[:0], memory[end:n]...)
		}
		c.submit(e, end-headLen, nil)
		return true
	}
	c.keep(memory[:n])
	c.lane.port.Cancel(e)
	if headLen > 0 {
		return c.headComplete()
	}
	c.headStarted()
	return c.readable
}

// keep moves bytes and fields out of a slot that is not taken after all.
func (c *conn) keep(bytes []byte) {
	g := c.wantGather()
	g.input = append(g.input[:0], bytes...)
	g.fields = append(g.fields[:0], c.head.Fields...)
	c.head.Fields = g.fields
}

// headStarted gives the rest of the head its time, once.
func (c *conn) headStarted() {
	if !c.timer.In(c.lane.header) {
		c.lane.header.Set(&c.timer, c)
	}
}

// readHeadGathered parses what was gathered, and reads on.
func (c *conn) readHeadGathered() bool {
	g := c.wantGather()
	for {
		if len(g.input) > 0 {
			if c.head.Fields == nil {
				c.head.Fields = g.fields[:0]
			}
			headLen, err := c.parser.Parse(g.input, c.limits, &c.head)
			if err == nil && headLen > 0 {
				err = c.begin(g.input, headLen)
			}
			if err != nil {
				c.noticePart(g.input)
				c.malformed(err)
				return false
			}
			if headLen > 0 {
				return c.headComplete()
			}
			c.headStarted()
		}
		if !c.receiveGathered() {
			if c.phase == phaseHead && len(g.input) == 0 {
				c.dropGather()
			}
			return false
		}
	}
}

// receiveGathered appends what has come to the gather.
func (c *conn) receiveGathered() bool {
	g := c.gather
	if free := cap(g.input) - len(g.input); free < 1024 {
		grown := make([]byte, len(g.input), max(4096, 2*cap(g.input)))
		copy(grown, g.input)
		g.input = grown
	}
	n, ok := c.receive(g.input[len(g.input):cap(g.input)])
	if ok {
		g.input = g.input[:len(g.input)+n]
	}
	return ok
}

// headComplete decides how the body is read. The head lies at the start of the gather.
func (c *conn) headComplete() bool {
	if c.check != checkNone {
		return c.answerCheck()
	}
	headLen := c.headLen
	c.body.Reset(&c.head)
	size, known := c.body.Length()
	if c.tooLarge(size) {
		c.refuseBody()
		return false
	}
	if c.route.StreamRequest && !(known && size == 0) && c.submitStreamed() {
		return true
	}
	if known && int64(headLen)+size <= inlineRoom || known && size == 0 {
		c.phase = phaseBody
		c.sendContinue(size == 0 || len(c.gather.input) > headLen)
		return true
	}
	if !known {
		size = -1
	}
	intake, err := c.lane.port.NewBody(size)
	if err != nil {
		c.noRoom(err)
		return false
	}
	c.intake, c.phase = intake, phaseBody
	c.sendContinue(len(c.gather.input) > headLen)
	rest := c.gather.input[headLen:]
	c.gather.input = c.gather.input[:headLen]
	return c.take(rest)
}

// sendContinue answers Expect: 100-continue unless the body has begun (RFC 9110 section 10.1.1).
func (c *conn) sendContinue(begun bool) {
	if c.head.Continue && !begun {
		_, _ = c.transport.Write([]byte(http1.Continue))
	}
}

// readBody reports false when it can do nothing more now.
func (c *conn) readBody() bool {
	c.awaitBody()
	if c.intake == nil {
		return c.readInline()
	}
	if size, known := c.body.Length(); known {
		if rooms := c.intake.Rooms(c.lane.rooms[:0], size-c.intake.Len()); len(rooms) > 0 {
			return c.readRooms(rooms)
		}
	}
	n, ok := c.receive(c.lane.scratch)
	return ok && c.take(c.lane.scratch[:n])
}

// readInline gathers a small body behind its head.
func (c *conn) readInline() bool {
	size, _ := c.body.Length()
	for len(c.gather.input) < c.headLen+int(size) {
		if !c.receiveGathered() {
			return false
		}
	}
	c.submitGathered()
	return true
}

// readRooms reads a body of known length straight into its blocks, several at a time.
func (c *conn) readRooms(rooms [][]byte) bool {
	n, ok := c.receiveRuns(rooms)
	if !ok {
		if c.intake != nil { // the connection goes on
			c.intake.Fill(0)
		}
		return false
	}
	c.intake.Fill(n)
	done := false
	for _, room := range rooms {
		room = room[:min(n, len(room))]
		n -= len(room)
		if len(room) > 0 {
			_, _, done, _ = c.body.Decode(room) // of a known length, all of it is content
		}
	}
	if done {
		c.submitGathered()
	}
	return true
}

// receiveRuns is receive into several runs of bytes.
func (c *conn) receiveRuns(runs [][]byte) (int, bool) {
	if !c.readable {
		return 0, false
	}
	if c.reads--; c.reads < 0 {
		c.yield()
		return 0, false
	}
	size := 0
	for _, run := range runs {
		size += len(run)
	}
	n, errno := c.transport.Readv(runs)
	return c.came(n, size, errno)
}

// take decodes bytes of the body; what follows its end goes back to the gather.
func (c *conn) take(in []byte) bool {
	for {
		data, n, done, err := c.body.Decode(in)
		if err != nil {
			c.malformed(err)
			return false
		}
		if len(data) > 0 {
			if err := c.intake.Write(data); err != nil {
				c.noRoom(err)
				return false
			}
			if c.tooLarge(c.intake.Len()) {
				c.refuseBody()
				return false
			}
		}
		in = in[n:]
		if done {
			c.gather.input = append(c.gather.input, in...)
			c.submitGathered()
			return true
		}
		if n == 0 || len(in) == 0 {
			return true
		}
	}
}

// submitGathered places the request that is complete in the gather into a slot.
func (c *conn) submitGathered() {
	e := c.lane.port.Acquire()
	if e == nil {
		c.phase = phaseSlot
		c.wait()
		return
	}
	g, inline := c.gather, 0
	if c.intake == nil {
		size, _ := c.body.Length()
		inline = int(size)
	}
	end := c.headLen + inline
	if !e.Place(g.input[:end], c.head.Fields) {
		c.lane.port.Cancel(e)
		c.refuse(503, "Too many requests with large heads at once.\n")
		return
	}
	rest := copy(g.input, g.input[end:])
	g.input = g.input[:rest]
	intake := c.intake
	c.intake = nil
	c.submit(e, inline, intake)
	if rest == 0 {
		c.dropGather()
	}
	c.feed()
}

// submit hands the request to the workers.
func (c *conn) submit(e *dispatch.Exchange, inline int, intake *dispatch.Body) {
	if c.lane.port.Full() {
		c.intake = intake
		c.lane.port.Cancel(e)
		c.crowdedOut(fault.QueueFull)
		return
	}
	c.stopTimer()
	r := &c.request
	r.Head, r.HeadLen, r.InlineBody, r.Body = &c.head, c.headLen, inline, intake
	r.HasBody = c.head.Chunked && !c.streamed || c.head.ContentLength >= 0
	r.ID, r.Timeout = c.lane.front.nextID.Add(1), c.route.Timeout
	c.facts = http1.RequestFacts{Minor: c.head.Minor, HeadOnly: c.head.HeadOnly, KeepAlive: c.head.KeepAlive}
	c.lane.values[observe.RequestsTotal]++
	if c.entry != nil {
		c.entry.id = r.ID
	}
	c.exchange, c.phase = e, phaseReply
	c.composed, c.sent, c.ended, c.bodySent = 0, 0, false, 0
	e.Submit(r, c)
	c.awaitStart()
}

// begin takes down what is needed of a request whose head is complete.
func (c *conn) begin(head []byte, headLen int) *http1.Error {
	c.headLen = headLen
	c.check = c.lane.options.checkOf(c.head.Path.Of(head))
	c.setLabel(head)
	err := c.findOrigin(head)
	if c.lane.logbook != nil {
		c.notice(head, true)
	}
	c.route = c.lane.routes.find(c.head.Path.Of(head), c.head.Escaped, c.root(head))
	return err
}

// root is what of the path is not part of the path that the application sees.
func (c *conn) root(head []byte) []byte {
	o := c.request.Origin
	switch {
	case o != nil && o.WholePath:
		return nil
	case o != nil && o.HasScript:
		return o.Script.Of(head)
	}
	return c.lane.routes.root
}

// setLabel keeps method and target for the log: the head's memory belongs to the worker once it has started.
func (c *conn) setLabel(head []byte) {
	if c.head.Dropped > 0 {
		c.lane.front.dropped.tell(c.lane.options.Log, string(c.head.DroppedName.Of(head)), c.head.Dropped)
	}
	n := copy(c.label[:], c.head.Method.Of(head))
	if n < len(c.label) {
		c.label[n] = ' '
		n++
	}
	c.labelLen = n + copy(c.label[n:], c.head.Target.Of(head))
}

// malformed answers a request that is none.
func (c *conn) malformed(err *http1.Error) {
	c.lane.options.Log.Debug("request refused", "status", err.Status, "reason", err.Reason, "section", err.Section,
		"client", string(c.request.RemoteAddr))
	c.refuse(err.Status, err.Reason+" ("+err.Section+")\n")
}

// tooLarge reports that a body of n bytes is larger than the operator allows.
func (c *conn) tooLarge(n int64) bool {
	return c.route.LimitBody > 0 && n > c.route.LimitBody
}

func (c *conn) refuseBody() {
	why := fault.RequestBodyTooLarge
	c.lane.options.Log.Debug("request refused", "status", why.Status, "reason", why.Text, "request",
		string(c.label[:c.labelLen]), "code", why.Code)
	c.refuse(why.Status, "The body is larger than this server takes.\n")
}

// noRoom answers a request whose body cannot be kept.
func (c *conn) noRoom(err error) {
	if errors.Is(err, spool.ErrTooLong) {
		c.refuseBody()
		return
	}
	why := fault.SpoolFull
	c.lane.options.Log.Error("body not kept", "error", err, "request", string(c.label[:c.labelLen]), "code", why.Code)
	c.refuse(why.Status, "There is no room for the body now.\n")
}
