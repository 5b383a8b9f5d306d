//go:build linux

package front

import (
	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/observe"
)

// A client that resets its connection is gone: what it asked is taken out of line, or its worker told. One that ends its
// side (FIN) has left most often, and may as well be one that has no more to ask and waits for the answer, which it gets.
// Only where a request has not even been started abandon_after later, nobody is thought to wait for it any more.

// clientLeft notes that the client has ended its side.
func (c *conn) clientLeft() {
	c.halfShut, c.request.ClientLeft = true, true
	if c.exchange != nil {
		c.exchange.ClientLeft()
	}
	c.awaitStart()
}

// awaitStart gives the request of a client that has ended its side its time to be started, once. A body that is still read
// has its own.
func (c *conn) awaitStart() {
	if !c.halfShut || c.timer.In(c.lane.abandon) {
		return
	}
	if c.waiting || c.phase == phaseReply && c.composed == 0 && !c.streamed {
		c.lane.abandon.Set(&c.timer, c)
	}
}

// stopTimer stops what runs for something that has come, but not the time to be started.
func (c *conn) stopTimer() {
	if !c.timer.In(c.lane.abandon) {
		c.timer.Stop()
	}
}

// startLate drops a request that waits in line or for a slot. One that has been started is answered, however long it takes.
func (c *conn) startLate() {
	if c.phase == phaseHead {
		if !c.unread() {
			c.close() // it has asked nothing
			return
		}
		c.unlabel()
	}
	if c.withdraw("abandon_after") {
		c.refuse(503, "The server was too busy to begin with this.\n")
	}
}

// unread reports whether bytes of the client wait in the kernel.
func (c *conn) unread() bool {
	n, err := unix.IoctlGetInt(c.socket.FD, unix.TIOCINQ)
	return err == nil && n > 0
}

// withdraw takes the request out of line and counts it, or reports false when a worker has it.
func (c *conn) withdraw(reason string) bool {
	if c.exchange != nil {
		if !c.exchange.Withdraw() {
			return false
		}
		c.exchange = nil
	}
	l := c.lane
	l.values[observe.RequestsAbandonedTotal]++
	l.options.Log.Debug("request abandoned", "reason", reason, "client", string(c.request.RemoteAddr),
		"request", string(c.label[:c.labelLen]), "abandoned", l.values[observe.RequestsAbandonedTotal])
	return true
}
