//go:build linux

package front

import (
	"context"
	"sync/atomic"

	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/observe"
)

// Health checks are answered by the loop that read them, without a worker and without a slot, so that they are when every
// worker hangs. The server is live when a loop answers at all, and ready when a request that came now would be served.

// check is what a request asks of us rather than of the application.
type check uint8

const (
	checkNone check = iota
	checkLive
	checkReady
)

// Why a server is not ready.
const (
	NotReadyDraining  = "draining"
	NotReadyWorkers   = "no worker is up"
	NotReadyFull      = "the queue is full"
	NotReadySaturated = "every slot is in use"
	NotReadyLoop      = "an event loop does not answer"
)

// checkOf says which check a path as it was received asks for.
func (o *Options) checkOf(path []byte) check {
	if o.LivePath == "" {
		return checkNone
	}
	return o.whichCheck(path)
}

func (o *Options) whichCheck(path []byte) check {
	switch string(path) {
	case o.LivePath:
		return checkLive
	case o.ReadyPath:
		return checkReady
	}
	return checkNone
}

// unready says why a request that came now would not be served, or "".
func (l *lane) unready() string {
	switch {
	case l.front.leaves():
		return NotReadyDraining
	case l.line == nil || l.line.up.Load() == 0:
		return NotReadyWorkers
	case l.port.Full():
		return NotReadyFull
	case l.port.Saturated():
		return NotReadySaturated
	}
	return ""
}

// leaves reports that the server ends, and nobody takes its place.
func (f *Front) leaves() bool { return f.draining.Load() && !f.succeeded.Load() }

// Unready says why the server is not ready, or "": every loop must say that it is. A loop that does not say anything before
// the end of ctx does not answer.
func (f *Front) Unready(ctx context.Context) string {
	if f.leaves() {
		return NotReadyDraining
	}
	reasons := make([]atomic.Value, len(f.lanes))
	if !f.ask(ctx, func(i int, l *lane) { reasons[i].Store(l.unready()) }) {
		return NotReadyLoop
	}
	for i := range reasons {
		if reason, _ := reasons[i].Load().(string); reason != "" {
			return reason
		}
	}
	return ""
}

// Live reports whether every loop answers before the end of ctx.
func (f *Front) Live(ctx context.Context) bool { return f.ask(ctx, func(int, *lane) {}) }

// answerCheck answers the health check whose head lies at the start of the gather. It reports false when the connection has ended.
func (c *conn) answerCheck() bool {
	l := c.lane
	l.values[observe.HealthChecksTotal]++
	g := c.gather
	if method := string(c.head.Method.Of(g.input)); method != "GET" && method != "HEAD" {
		c.refuse(405, "A health check is a GET or a HEAD.\n")
		return false
	}
	reply, text := http1.Reply{Status: []byte("200 OK"), Code: 200}, "ok\n"
	if why := ""; c.check == checkReady {
		if why = l.unready(); why != "" {
			reply, text = http1.Reply{Status: []byte("503 Service Unavailable"), Code: 503}, "not ready: "+why+"\n"
		}
	}
	// What would follow a body cannot be told from it, since nobody reads it.
	bodiless := !c.head.Chunked && c.head.ContentLength <= 0
	reply.BodyKnown, reply.BodySize = true, int64(len(text))
	facts := http1.RequestFacts{Minor: c.head.Minor, HeadOnly: c.head.HeadOnly, KeepAlive: c.head.KeepAlive && bodiless && c.mayStay()}
	framing := http1.Frame(facts, &reply)
	out := http1.AppendHead(l.errors[:0], facts.Minor, &reply, framing, l.loop.Clock.Date(), l.options.Server)
	out = append(out, "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n"...)
	if !framing.NoBody {
		out = append(out, text...)
	}
	c.toldCheck(&reply, framing)
	n, errno := c.transport.Write(out)
	switch {
	case errno != 0 || n < len(out): // it does not take its answers
		c.close()
		return false
	case !framing.KeepAlive:
		c.hangUp()
		return false
	}
	if g.input = g.input[:copy(g.input, g.input[c.headLen:])]; len(g.input) == 0 {
		c.dropGather()
	}
	c.renew()
	return true
}
