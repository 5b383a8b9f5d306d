//go:build linux

package front

import (
	"os"
	"time"

	"speyside.dev/speyside/internal/accesslog"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/loop"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/wire"
)

// Each request has its line in the access log once: what the line needs of the head is noted when that is complete, since the memory
// belongs to the worker afterwards, and the line is written when the request has ended, however it did. Lines gather in a buffer of the
// loop, which goes to the sink when it is full, or for latestLine. Whether there is to be one is known only then, too.

// latestLine is how long a line stays with the loop.
const latestLine = 10 * time.Millisecond

// clientLeft is the status of a request whose client left before there was a reply; nginx has it so, too.
const clientLeft = 499

// AccessLog is where requests are told of, and how.
type AccessLog struct {
	Format *accesslog.Format
	Only   accesslog.Only // the requests that have a line
	Sink   *observe.Sink
	Boot   string // what identifiers of requests begin with
}

// logbook is one loop's part of the access log.
type logbook struct {
	AccessLog
	lane   *lane
	buffer []byte // nil: no line waits
	lines  int
	clock  accesslog.Clock
	late   *loop.Class
	timer  loop.Timer
	spare  []*entry
	wanted []accesslog.Header
	bits   uint64 // of their names
	head   accesslog.Request
	pid    int
}

// entry is what is noted of the request in hand.
type entry struct {
	note                    *accesslog.Note
	replied                 int64 // when there was a reply
	id                      uint64
	worker, pid, generation int
}

func newLogbook(l *lane, log *AccessLog) *logbook {
	if log == nil {
		return nil
	}
	b := &logbook{AccessLog: *log, lane: l, late: l.loop.NewClass(latestLine), wanted: log.Format.Headers(), pid: os.Getpid()}
	b.head.Headers = make([][]byte, len(b.wanted))
	for i := range b.wanted {
		b.bits |= wire.NameBit([]byte(b.wanted[i].Name))
	}
	return b
}

// notice keeps what the log needs of the head; without one, or without a line in it, only who has connected.
func (c *conn) notice(head []byte, line bool) {
	b := c.lane.logbook
	if c.entry == nil {
		c.entry = b.fresh()
	}
	if c.began == 0 {
		c.began = c.lane.loop.Clock.Nanos
	}
	c.status = 0
	*c.entry = entry{note: c.entry.note, worker: -1, pid: b.pid}
	r := &b.head
	*r = accesslog.Request{Headers: r.Headers, Client: c.request.RemoteAddr, Port: c.request.RemotePort, HTTPS: c.request.HTTPS}
	clear(r.Headers)
	if o := c.request.Origin; o != nil {
		r.Client, r.Port, r.HTTPS = o.Addr, o.Port, o.HTTPS
	}
	if line {
		c.describeHead(r, head)
	}
	b.Format.Take(c.entry.note, r)
}

// noticePart does so for a head that was refused, as far as it was read.
func (c *conn) noticePart(head []byte) {
	if c.lane.logbook != nil && c.entry == nil {
		c.notice(head, c.parser.LineRead())
	}
}

// describeHead fills in what the head has.
func (c *conn) describeHead(r *accesslog.Request, head []byte) {
	h := &c.head
	r.Method, r.Target, r.Path, r.Query = h.Method.Of(head), h.Target.Of(head), h.Path.Of(head), h.Query.Of(head)
	r.Minor, r.Mount = h.Minor, c.root(head)
	if r.Script = r.Mount; h.Host.Len > 0 {
		r.Host = h.Host.Of(head)
	}
	if o := c.request.Origin; o != nil {
		if o.HasScript {
			r.Script = o.Script.Of(head)
		}
		if o.Host.Len > 0 {
			r.Host = o.Host.Of(head)
		}
	}
	if b := c.lane.logbook; h.Names&b.bits != 0 {
		b.findHeaders(r, head, h.Fields)
	}
}

// findHeaders looks for those that the format needs.
func (b *logbook) findHeaders(r *accesslog.Request, head []byte, fields []wire.Field) {
	for i := range fields {
		name := fields[i].Name.Of(head)
		for n := range b.wanted {
			if !b.wanted[n].Is(name) {
				continue
			}
			value := fields[i].Value.Of(head)
			if before := r.Headers[n]; before != nil && b.wanted[n].Joined {
				value = append(append(before[:len(before):len(before)], ','), value...)
			}
			r.Headers[n] = value
		}
	}
}

// noticeReply keeps what the log needs of a reply that begins.
func (c *conn) noticeReply(e *dispatch.Exchange) {
	c.ledger(e)
	c.entry.replied = c.lane.loop.Clock.Nanos
	if format := c.lane.logbook.Format; format.WantsReply() {
		format.TakeReply(c.entry.note, e.Headroom()[dispatch.Room:dispatch.Room+e.Reply().FieldsLen])
	}
}

// ledger notes who has the request, and what its client has of the reply, before the exchange ends.
func (c *conn) ledger(e *dispatch.Exchange) {
	if c.entry == nil {
		return
	}
	if worker, pid, generation := e.Doer(); worker >= 0 {
		c.entry.worker, c.entry.pid, c.entry.generation = worker, pid, generation
	}
	c.bodySent = c.sentOfBody()
}

// sentOfBody is how many bytes of the reply's body went to the kernel.
func (c *conn) sentOfBody() int64 {
	r, e := c.rest, c.exchange
	switch {
	case c.entry == nil:
	case r != nil: // what is not of the body comes first, most of it
		return c.bodySent + min(max(r.body-r.file.Left, 0), r.body)
	case e != nil && c.status != 0 && c.sent > 0 && e.Pending() > 0:
		left := c.bodyLeft
		head, body := c.parts(e, 0, &left)
		before := len(head)
		if c.framing.Chunked {
			var memory [chunkHeadMax]byte
			before += len(http1.AppendChunkHead(memory[:0], len(body)))
		}
		return c.bodySent + int64(min(max(c.sent-before, 0), len(body)))
	}
	return c.bodySent
}

// told writes the line of the request in hand, unless that was done, or it is to have none.
func (c *conn) told(status int, sent int64, outcome accesslog.Outcome) {
	n := c.entry
	if n == nil {
		return
	}
	b := c.lane.logbook
	now, nanos := c.lane.loop.Clock.Read()
	end := accesslog.End{Now: now, Status: status, Sent: sent, Took: time.Duration(nanos - c.began), Worker: n.worker, Pid: n.pid,
		Generation: n.generation, ID: n.id, Boot: b.Boot, Outcome: outcome}
	if n.replied != 0 {
		end.ReplyAfter = max(time.Duration(n.replied-c.began), time.Microsecond)
	}
	if b.Only.Wants(&end) {
		b.add(n.note, &end)
	}
	if c.entry, c.began = nil, 0; !n.note.Large() {
		b.spare = append(b.spare, n)
	}
}

// toldRefused writes the line of a request that the front answers itself.
func (c *conn) toldRefused(status int, text string) {
	if c.lane.logbook == nil {
		return
	}
	if c.entry == nil {
		c.notice(nil, false)
	}
	if c.exchange != nil {
		c.ledger(c.exchange)
	}
	outcome, sent := accesslog.Refused, int64(len(text))
	switch status {
	case 500, 502:
		outcome = accesslog.Failed
	case 504:
		outcome = accesslog.TimedOut
	}
	if c.head.HeadOnly {
		sent = 0
	}
	c.told(status, sent, outcome)
}

// toldCheck writes the line of a health check.
func (c *conn) toldCheck(reply *http1.Reply, framing http1.Framing) {
	sent := reply.BodySize
	if framing.NoBody {
		sent = 0
	}
	c.told(reply.Code, sent, accesslog.HealthCheck)
}

// toldLeft writes the line of a request whose client has left. One that has not sent a byte of a head has asked nothing.
func (c *conn) toldLeft() {
	if c.lane.logbook == nil || c.entry == nil && (c.phase != phaseHead || c.pending() == 0) {
		return
	}
	if c.entry == nil {
		c.notice(nil, false)
	}
	if c.exchange != nil {
		c.ledger(c.exchange)
		c.told(orStatus(c.status), c.bodySent, accesslog.ClientLeft)
		return
	}
	c.told(orStatus(c.status), c.sentOfBody(), accesslog.ClientLeft)
}

func orStatus(status int) int {
	if status == 0 {
		return clientLeft
	}
	return status
}

// fresh returns an entry that nobody uses.
func (b *logbook) fresh() *entry {
	n := len(b.spare)
	if n == 0 {
		return &entry{note: accesslog.NewNote()}
	}
	e := b.spare[n-1]
	b.spare = b.spare[:n-1]
	return e
}

// add appends a line to the buffer.
func (b *logbook) add(n *accesslog.Note, end *accesslog.End) {
	if b.buffer == nil {
		if b.buffer = b.Sink.Take(); b.buffer == nil {
			b.Sink.Lose(1)
			return
		}
		b.late.Set(&b.timer, b)
	}
	b.buffer = b.Format.Append(b.buffer, n, end, &b.clock)
	b.lines++
	if len(b.buffer) > observe.SinkBuffer*7/8 {
		b.flush()
	}
}

// Expired implements [loop.Expirer]: a line has waited long enough.
func (b *logbook) Expired(*loop.Class) { b.flush() }

// flush hands over what there is.
func (b *logbook) flush() {
	b.timer.Stop()
	if b.buffer != nil {
		b.Sink.Write(b.buffer, b.lines)
		b.buffer, b.lines = nil, 0
	}
}

// closeLogbook writes the lines of requests that the end of the server has broken off. The loop has ended.
func (l *lane) closeLogbook() {
	if l.logbook == nil {
		return
	}
	for c := range l.open {
		status := c.status
		if status == 0 {
			status = 503
		}
		c.told(status, c.sentOfBody(), accesslog.Cut)
	}
	l.logbook.flush()
}
