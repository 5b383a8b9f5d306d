//go:build linux

package front

// A streamed request is with the workers while its body still arrives: the connection sends the reply and feeds the body
// at the same time. What the worker has not taken bounds what is read, so a slow application slows its client down.

// submitStreamed hands over a head whose body follows. It reports false when no blocks are free for that: the body is then
// kept until it is complete, as without stream_request.
func (c *conn) submitStreamed() bool {
	intake := c.lane.port.NewStream()
	if intake == nil {
		return false
	}
	c.intake, c.streamed = intake, true
	c.submitGathered()
	return true
}

// feed moves on what has come of the body, as far as there is room.
func (c *conn) feed() {
	e := c.exchange
	for c.streamed && c.phase == phaseReply {
		room := e.StreamRoom()
		if room == 0 {
			e.StreamAsk(true)
			if c.timer.In(c.lane.body) {
				c.timer.Stop() // it is the application that takes its time
			}
			if room = e.StreamRoom(); room == 0 {
				return
			}
			e.StreamAsk(false)
		}
		if c.pending() > 0 {
			c.feedGathered(min(room, c.pending()))
			continue
		}
		if !c.readable {
			c.awaitStream()
			return
		}
		n, ok := c.receive(c.lane.scratch[:min(room, len(c.lane.scratch))])
		if ok {
			c.feedBytes(c.lane.scratch[:n])
		} else if c.readable {
			return // the others have their turn
		}
	}
}

// awaitStream waits for the client, whom the worker's first read may have to tell to go on.
func (c *conn) awaitStream() {
	c.exchange.StreamAsk(c.head.Continue)
	if c.head.Continue && c.exchange.StreamWanted() {
		c.head.Continue = false
		c.exchange.StreamAsk(false)
		c.goOn()
	}
	if !c.head.Continue && c.phase == phaseReply {
		c.awaitBody()
	}
}

// feedGathered feeds the first n bytes of what came with the head.
func (c *conn) feedGathered(n int) {
	g := c.gather
	used := c.feedBytes(g.input[:n])
	if c.gather == g { // the connection goes on
		g.input = g.input[:copy(g.input, g.input[used:])]
		if len(g.input) == 0 {
			c.dropGather()
		}
	}
}

// feedBytes decodes bytes of the body and hands them over; what follows the body's end goes to the gather, unless it is from
// there. It returns how many were used.
func (c *conn) feedBytes(in []byte) (used int) {
	c.head.Continue = false // it has begun
	for used < len(in) {
		data, n, done, err := c.body.Decode(in[used:])
		used += n
		if err != nil {
			c.breakStream(err.Status, err.Error())
			return used
		}
		if len(data) > 0 {
			c.exchange.StreamWrite(data)
		}
		if c.tooLarge(c.exchange.StreamLen()) {
			c.breakStream(413, "the body is larger than this server takes")
			return used
		}
		if done {
			c.endStream()
			if c.gather == nil && used < len(in) {
				c.wantGather().input = append(c.gather.input[:0], in[used:]...)
			}
			return used
		}
	}
	return used
}

func (c *conn) endStream() {
	c.streamed = false
	c.exchange.StreamAsk(false)
	c.exchange.StreamEnd(true)
	if c.timer.In(c.lane.body) {
		c.timer.Stop()
	}
	c.awaitStart()
}

// breakStream ends a request whose body will not be complete: the application's next read fails, and the client is answered
// if the reply has not begun.
func (c *conn) breakStream(status int, why string) {
	c.streamed = false
	if c.composed > 0 {
		c.reset()
		return
	}
	c.refuse(status, why+"\n")
}
