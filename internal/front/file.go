//go:build linux

package front

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/loop"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/spool"
)

// A reply may end with part of a file. The exchange is over by then: worker and slot serve others, and the connection sends
// what is left. A helper, which is a goroutine for a moment, does it, since the disk may keep it waiting.

const (
	maxHelpers = 16       // of a lane at once
	shipAtOnce = 1 << 20  // bytes sent before the others have their turn
	copyAtOnce = 64 << 10 // bytes read and written at a time where the file cannot be sent directly
)

// rest is what is left of a reply.
type rest struct {
	file     *dispatch.File
	extent   *spool.Extent // of the spool, when it is there
	whole    int64         // bytes of it
	body     int64         // those that are of the body: what is parked has its framing, too
	cut      bool          // the reply is incomplete even with it
	copied   bool          // by reading and writing
	helped   bool          // a helper uses file and socket
	writable bool          // the socket has been reported writable since the helper began
}

// helpers are those of one lane.
type helpers struct {
	busy  int
	line  []*conn  // wait for one
	spare [][]byte // memory to copy through
}

// shipment is what one helper has sent, and why it stopped: because of the client, or of the file.
type shipment struct {
	sent   int
	client syscall.Errno
	file   syscall.Errno
	ended  bool // the file, before its time
}

// sendRest goes on with the file after the pieces of a reply.
func (c *conn) sendRest(file *dispatch.File, cut bool) {
	if c.bodyLeft >= 0 {
		file.Left = min(file.Left, c.bodyLeft)
	}
	if c.framing.NoBody {
		file.Left = 0
	}
	if c.bodyLeft >= 0 {
		c.bodyLeft -= file.Left
	}
	c.rest = &rest{file: file, whole: file.Left, body: file.Left, cut: cut}
	c.phase = phaseFile
	c.timer.Stop() // what it ran for is over: the request has been started, and its body is not wanted any more
	if file.Left == 0 {
		c.restSent()
		return
	}
	c.ship()
}

// ship has a helper send some of the file.
func (c *conn) ship() {
	l := c.lane
	if l.helpers.busy == maxHelpers {
		l.helpers.line = append(l.helpers.line, c)
		return
	}
	l.helpers.busy++
	c.rest.helped, c.rest.writable = true, false
	file, transport, copied := *c.rest.file, c.transport, c.rest.copied
	var memory []byte
	if copied {
		memory = l.helpers.memory()
	}
	go func() {
		var s shipment
		if copied {
			s = copyFile(transport, file, memory)
		} else {
			s = sendFile(transport, file)
		}
		l.loop.Post(func() {
			if copied {
				l.helpers.spare = append(l.helpers.spare, memory)
			}
			c.shipped(s)
		})
	}()
}

// memory is for one helper to copy through.
func (h *helpers) memory() []byte {
	n := len(h.spare)
	if n == 0 {
		return make([]byte, copyAtOnce)
	}
	memory := h.spare[n-1]
	h.spare = h.spare[:n-1]
	return memory
}

// sendFile lets the kernel move bytes from the file to the client, as far as the client takes them.
func sendFile(t loop.Transport, file dispatch.File) (s shipment) {
	for s.sent < int(min(file.Left, shipAtOnce)) {
		n, errno := t.SendFile(file.Descriptor, file.At+int64(s.sent), int(min(file.Left, shipAtOnce))-s.sent)
		s.sent += n
		switch errno {
		case 0:
		case unix.EAGAIN, unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH:
			s.client = errno
			return s
		default:
			s.file = errno
			return s
		}
		if n == 0 {
			s.ended = true
			return s
		}
	}
	return s
}

// copyFile does the same by reading and writing, through memory of copyAtOnce bytes. Bytes of the spool go no other way: what the
// kernel sends from a file it sends by reference, and the room is used again as soon as it has been taken.
func copyFile(t loop.Transport, file dispatch.File, memory []byte) (s shipment) {
	for s.sent < int(min(file.Left, shipAtOnce)) {
		n, err := unix.Pread(file.Descriptor, memory[:min(file.Left-int64(s.sent), copyAtOnce)], file.At+int64(s.sent))
		if err == unix.EINTR {
			continue
		}
		if errno, failed := err.(syscall.Errno); failed {
			s.file = errno
			return s
		}
		if n == 0 {
			s.ended = true
			return s
		}
		written, errno := t.Write(memory[:n])
		s.sent += written
		if errno == 0 && written < n {
			errno = unix.EAGAIN
		}
		if errno != 0 {
			s.client = errno
			return s
		}
	}
	return s
}

// shipped goes on after a helper.
func (c *conn) shipped(s shipment) {
	c.lane.helpers.next()
	r := c.rest
	r.helped = false
	if c.phase == phaseClosed { // while the helper was at it
		c.dispose()
		return
	}
	r.file.At += int64(s.sent)
	r.file.Left -= int64(s.sent)
	if s.sent > 0 && c.timer.In(c.lane.send) {
		c.timer.Stop()
	}
	switch {
	case r.file.Left == 0:
		c.restSent()
	case s.ended:
		c.fileFailed("it became shorter meanwhile")
	case s.file != 0 && !r.copied: // the file system or the transport does not know it
		r.copied = true
		c.ship()
	case s.file != 0:
		c.fileFailed(s.file.Error())
	case s.client == 0 || s.client == unix.EAGAIN && r.writable:
		c.ship()
	case s.client == unix.EAGAIN:
		c.blocked = true
		c.awaitTaking()
	default:
		c.close()
	}
}

// next gives the helper that is free to the connection that has waited longest.
func (h *helpers) next() {
	h.busy--
	if len(h.line) > 0 {
		c := h.line[0]
		h.line = slices.Delete(h.line, 0, 1)
		c.ship()
	}
}

// restSent ends the reply.
func (c *conn) restSent() {
	r := c.rest
	c.lane.options.Log.Debug("file sent", "bytes", r.whole, "copied", r.copied, "parked", r.extent != nil,
		"request", string(c.label[:c.labelLen]))
	c.bodySent += r.body
	c.dropRest()
	c.conclude(r.cut)
}

func (c *conn) fileFailed(why string) {
	c.lane.options.Log.Error("reply cut", "why", fault.FileCut.Text+": "+why, "request", string(c.label[:c.labelLen]),
		"sent", c.rest.whole-c.rest.file.Left, "of", c.rest.whole, "code", fault.FileCut.Code)
	c.lane.values[observe.RepliesCutTotal]++
	c.reset()
}

// dropRest gives the file back, unless a helper uses it.
func (c *conn) dropRest() {
	if c.rest == nil || c.rest.helped {
		return
	}
	line := &c.lane.helpers.line
	*line = slices.DeleteFunc(*line, func(other *conn) bool { return other == c })
	if c.rest.extent != nil {
		c.rest.extent.Release()
	} else {
		c.rest.file.Close()
	}
	c.rest = nil
}
