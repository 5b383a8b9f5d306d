//go:build linux

package front

import (
	"syscall"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/accesslog"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/observe"
)

const (
	maxRuns      = 64
	chunkHeadMax = 18 // sixteen digits and CRLF
)

// Progress implements [dispatch.Receiver].
func (c *conn) Progress(e *dispatch.Exchange) {
	if c.feed(); c.exchange != e {
		return // the body was none
	}
	if c.composed == 0 {
		c.hint(e)
		if !c.compose(e) && len(c.interim) == 0 {
			return
		}
	}
	if c.blocked {
		e.Relieve()
		return
	}
	c.pump()
}

// compose writes the status line and our own fields in front of the worker's. It reports false when there is nothing to
// send yet, or the request has been answered otherwise.
func (c *conn) compose(e *dispatch.Exchange) bool {
	if !e.Started() {
		if e.Done() {
			c.refuse(500, "Internal Server Error\n") // the worker has said why in the log
		}
		return false
	}
	from := e.Reply()
	reply := http1.Reply{Status: from.Status, Code: from.Code, HasLength: from.HasLength, HasDate: from.HasDate,
		HasServer: from.HasServer, NoBody: from.NoBody, Length: from.Length, BodyKnown: e.Done() && !e.Cut()}
	if reply.BodyKnown {
		reply.BodySize = int64(-from.FieldsLen)
		for n := range e.Pending() {
			reply.BodySize += int64(len(e.Piece(n)))
		}
		reply.BodySize += e.FileLen()
	}
	// What follows a body that is not read to its end cannot be told from it.
	c.facts.KeepAlive = c.facts.KeepAlive && !c.streamed && c.mayStay()
	c.framing = http1.Frame(c.facts, &reply)
	c.status = from.Code
	c.bodyLeft = -1
	if reply.HasLength {
		c.bodyLeft = reply.Length
	}
	var memory [dispatch.Room]byte
	head := http1.AppendHead(memory[:0], c.facts.Minor, &reply, c.framing, c.lane.loop.Clock.Date(),
		c.lane.options.Server)
	c.composed = len(head)
	copy(e.Headroom()[dispatch.Room-len(head):], head)
	if c.entry != nil {
		c.noticeReply(e)
	}
	return true
}

// pump sends what is pending as far as the client takes it.
func (c *conn) pump() {
	for c.phase == phaseReply && !c.blocked {
		if len(c.interim) > 0 && !c.sendInterim() {
			return
		}
		e := c.exchange
		if e.Pending() == 0 && (!c.endDue(e) || c.ended) {
			if e.Done() {
				c.finish(e)
			}
			return
		}
		runs := c.encode(e, c.lane.runs[:0], c.lane.chunks[:0])
		n, errno := c.write(runs)
		if errno == unix.EAGAIN {
			c.blocked = true
			c.awaitTaking()
			e.Relieve()
			return
		}
		if errno != 0 {
			c.close()
			return
		}
		if c.timer.In(c.lane.send) { // not that of a body which is streamed meanwhile
			c.timer.Stop()
		}
		c.account(e, n)
	}
}

func (c *conn) write(runs [][]byte) (int, syscall.Errno) {
	if len(runs) == 0 {
		return 0, 0
	}
	if len(runs) == 1 {
		return c.transport.Write(runs[0])
	}
	return c.transport.Writev(runs)
}

// endDue reports that the chunked body wants its last chunk.
func (c *conn) endDue(e *dispatch.Exchange) bool { return c.framing.Chunked && e.Done() && !e.Cut() }

// encode appends to runs the bytes to send: the pending pieces in their framing, less what was sent of them before, as far as the
// capacity goes. Chunk heads are written to chunks.
func (c *conn) encode(e *dispatch.Exchange, runs [][]byte, chunks []byte) [][]byte {
	left, n := c.bodyLeft, 0
	for ; n < e.Pending() && len(runs)+4 < cap(runs); n++ {
		var head, body []byte
		head, body = c.parts(e, n, &left)
		switch {
		case len(body) == 0:
			runs = append(runs, head)
		case c.framing.Chunked:
			from := len(chunks)
			chunks = http1.AppendChunkHead(chunks, len(body))
			runs = append(runs, head, chunks[from:len(chunks):len(chunks)], body, crlf)
		case len(head) > 0:
			runs = append(runs, e.Headroom()[dispatch.Room-c.composed:][:len(head)+len(body)])
		default:
			runs = append(runs, body)
		}
	}
	if n == e.Pending() && c.endDue(e) {
		runs = append(runs, lastChunk)
	}
	return skip(runs, c.sent)
}

var crlf, lastChunk = []byte(http1.ChunkEnd), []byte(http1.LastChunk)

// parts are the head (of the first piece of a reply, ours and the worker's) and the body bytes of the n-th pending piece.
// Body bytes beyond Content-Length are left out: no worker of ours publishes any.
func (c *conn) parts(e *dispatch.Exchange, n int, left *int64) (head, body []byte) {
	body = e.Piece(n)
	if n == 0 && e.First() {
		end := dispatch.Room + e.Reply().FieldsLen
		head = e.Headroom()[dispatch.Room-c.composed : end]
		body = body[e.Reply().FieldsLen:]
	}
	if c.framing.NoBody {
		return head, nil
	}
	if *left >= 0 {
		body = body[:min(int64(len(body)), *left)]
		*left -= int64(len(body))
	}
	return head, body
}

// skip leaves out the first n bytes.
func skip(runs [][]byte, n int) [][]byte {
	for len(runs) > 0 && n >= len(runs[0]) {
		n -= len(runs[0])
		runs = runs[1:]
	}
	if len(runs) > 0 {
		runs[0] = runs[0][n:]
	}
	return runs
}

// account takes n sent bytes off the pending pieces.
func (c *conn) account(e *dispatch.Exchange, n int) {
	c.sent += n
	consumed := 0
	for consumed < e.Pending() {
		left := c.bodyLeft
		head, body := c.parts(e, consumed, &left)
		size := len(head) + len(body)
		if c.framing.Chunked && len(body) > 0 {
			var memory [chunkHeadMax]byte
			size += len(http1.AppendChunkHead(memory[:0], len(body))) + len(crlf)
		}
		if c.sent < size {
			break
		}
		c.sent -= size
		c.bodyLeft = left
		c.bodySent += int64(len(body))
		consumed++
	}
	all := consumed == e.Pending()
	e.Consume(consumed)
	if all && c.endDue(e) && c.sent >= len(lastChunk) {
		c.sent, c.ended = 0, true
	}
}

// finish ends the exchange after its pieces were sent.
func (c *conn) finish(e *dispatch.Exchange) {
	c.exchange = nil
	c.unwait() // it was to move, and has been claimed after all
	cut, file := e.Cut(), e.TakeFile()
	e.Release()
	if file != nil {
		c.sendRest(file, cut)
		return
	}
	c.conclude(cut)
}

// conclude goes on with the connection after its reply was sent, as the framing says.
func (c *conn) conclude(cut bool) {
	if cut || c.bodyLeft > 0 && !c.framing.NoBody {
		c.lane.values[observe.RepliesCutTotal]++
		c.reset()
		return
	}
	c.told(c.status, c.bodySent, accesslog.Served)
	if !c.framing.KeepAlive || c.streamed {
		c.hangUp()
		return
	}
	c.renew()
	if c.readable || c.pending() > 0 {
		c.read()
	}
}

// renew makes the connection ready for its next request.
func (c *conn) renew() {
	c.phase, c.began = phaseHead, 0
	c.parser.Reset()
	c.head.Fields = nil
	if c.lane.drained != nil {
		c.lane.idle.Set(&c.timer, c)
	} else {
		c.lane.keepAlive.Set(&c.timer, c)
		c.lane.front.crowd.look()
	}
}

// mayStay reports that connections are kept after a reply.
func (c *conn) mayStay() bool {
	return !c.lane.leaving && c.lane.options.KeepAlive > 0 && !c.lane.front.crowd.full()
}

// reset closes so that the client sees the reply incomplete, also where only the connection's end delimits it.
func (c *conn) reset() {
	c.told(c.status, c.sentOfBody(), accesslog.Cut)
	_ = unix.SetsockoptLinger(c.socket.FD, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.close()
}
