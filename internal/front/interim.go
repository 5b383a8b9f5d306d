//go:build linux

package front

import (
	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/http1"
)

// While a request is with the workers, interim replies may go before the final one: 103 Early Hints, which the application
// gives, and 100 Continue when it reads a streamed body. What the client does not take at once waits in the connection, and
// the final reply behind it.

// hint takes over the early hints that have come. A client of HTTP/1.0 would take them for the reply (RFC 9110 section 15.2).
func (c *conn) hint(e *dispatch.Exchange) {
	fresh := e.Hints()
	if len(fresh) == 0 {
		return
	}
	if c.facts.Minor > 0 {
		c.interim = http1.AppendHints(c.interim, fresh)
	}
	e.HintsTaken()
}

// goOn tells the client to send the body, unless the final reply has begun: what comes after that must be part of it.
func (c *conn) goOn() {
	if c.composed == 0 {
		c.interim = append(c.interim, http1.Continue...)
		c.sendInterim()
	}
}

// sendInterim sends what waits of the interim replies. It reports false when the client does not take it now, or is gone.
func (c *conn) sendInterim() bool {
	for len(c.interim) > 0 {
		n, errno := c.transport.Write(c.interim)
		if errno == unix.EAGAIN {
			c.blocked = true
			c.awaitTaking()
			return false
		}
		if errno != 0 {
			c.close()
			return false
		}
		c.interim = c.interim[:copy(c.interim, c.interim[n:])]
	}
	c.interim = nil
	if c.timer.In(c.lane.send) {
		c.timer.Stop()
	}
	return true
}
