//go:build linux

package front

import (
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/loop"
)

// bodyRate is how many bytes a second a body must bring, on average over each body timeout: one that is complete before
// the first of them ends may be slower.
const bodyRate = 500

// Expired implements [loop.Expirer]: the client's time for something is over.
func (c *conn) Expired(class *loop.Class) {
	switch class {
	case c.lane.header:
		c.headLate()
	case c.lane.body:
		c.bodyLate()
	case c.lane.send:
		c.takingLate()
	case c.lane.abandon:
		c.startLate()
	default:
		c.close()
	}
}

// headLate answers who has begun a head, and leaves who has not.
func (c *conn) headLate() {
	if c.pending() == 0 {
		c.close()
		return
	}
	c.late("header_timeout")
}

// awaitBody gives the body its time, once. A client that must take some of a reply first has the time for that.
func (c *conn) awaitBody() {
	if !c.blocked && !c.timer.In(c.lane.body) {
		c.received = 0
		c.lane.body.Set(&c.timer, c)
	}
}

// bodyLate gives a body that keeps its rate its time anew.
func (c *conn) bodyLate() {
	slow := c.received < int64(c.lane.options.BodyTimeout*bodyRate/time.Second)
	if slow && c.composed > 0 { // a streamed body, and a reply that has begun
		c.reset()
		return
	}
	if slow {
		c.late("body_timeout")
		return
	}
	c.awaitBody()
}

func (c *conn) late(setting string) {
	c.lane.options.Log.Debug("request refused", "status", 408, "reason", setting, "client", string(c.request.RemoteAddr))
	c.refuse(408, "The request did not arrive in time.\n")
}

// awaitTaking gives the client its time to take some of what is pending, unless that runs already.
func (c *conn) awaitTaking() {
	if !c.timer.In(c.lane.send) {
		c.untaken = c.inKernel()
		c.lane.send.Set(&c.timer, c)
	}
}

// takingLate cuts a client that takes nothing. The socket is reported writable only once a good part of its buffer is free,
// which may take a slow client longer than its time: what is left in the buffer tells whether it has taken some.
func (c *conn) takingLate() {
	if left := c.inKernel(); left < c.untaken {
		c.untaken = left
		c.lane.send.Set(&c.timer, c)
		return
	}
	c.lane.options.Log.Debug("reply cut", "reason", "send_timeout", "client", string(c.request.RemoteAddr),
		"request", string(c.label[:c.labelLen]))
	c.reset()
}

// inKernel is how many bytes the kernel keeps that the client has not taken.
func (c *conn) inKernel() int {
	n, err := unix.IoctlGetInt(c.socket.FD, unix.TIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
