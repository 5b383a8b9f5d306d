//go:build linux

package front

import (
	"time"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/observe"
)

// refusedEvery is how often the log may say that requests are refused because too many wait.
const refusedEvery = 10 * time.Second

// refused is what the log has not been told yet of requests that were refused because too many waited.
type refused struct {
	toldAt int64
	count  int
}

// crowdedOut answers a request that cannot wait (any longer) for a worker.
func (c *conn) crowdedOut(why *fault.Fault) {
	l := c.lane
	metric := observe.QueueFullTotal
	if why == fault.QueueTimedOut {
		metric = observe.QueueTimedOutTotal
	}
	l.values[metric]++
	l.refused.count++
	if now := l.loop.Clock.Nanos; l.refused.toldAt == 0 || now-l.refused.toldAt >= int64(refusedEvery) {
		l.options.Log.Warn("requests refused", "why", why.Text, "refused", l.refused.count, "request", string(c.label[:c.labelLen]),
			"code", why.Code, "hint", why.Hint)
		l.refused = refused{toldAt: now}
	}
	c.exchange, c.streamed = nil, false
	c.refuse(why.Status, "The server is too busy for this now.\n")
}

// WaitedTooLong implements [dispatch.Waiter].
func (c *conn) WaitedTooLong() {
	c.waiting = false
	if c.exchange != nil { // its own port keeps its time
		return
	}
	c.unlabel()
	c.crowdedOut(fault.QueueTimedOut)
}

// unlabel forgets the request before, where the one in hand has not been read.
func (c *conn) unlabel() {
	if c.phase == phaseHead {
		c.labelLen, c.head.HeadOnly = 0, false
	}
}
