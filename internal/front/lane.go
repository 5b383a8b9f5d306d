//go:build linux

package front

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/loop"
)

const (
	// lingerFor is how long a client may take to read the last reply before the connection is closed with bytes unread.
	lingerFor = 2 * time.Second
	// drainIdle is how long an idle connection is kept while draining: a request may be on its way.
	drainIdle = time.Second
	// acceptAgain is when a listener is looked at again after the process ran out of descriptors.
	acceptAgain = 100 * time.Millisecond
	// acceptBatch bounds the connections taken per event, so that those already there get their turn.
	acceptBatch = 64
	// scratchSize holds what is read only to be moved on: parts of large bodies.
	scratchSize = 64 << 10
)

// lane is one loop with its port and its connections. All of it runs on the loop.
type lane struct {
	front *Front
	loop  *loop.Loop
	port  *dispatch.Port

	acceptors []*acceptor
	open      map[*conn]struct{}
	spare     []*conn // closed ones, used again
	gathers   []*gather
	scratch   []byte   // read buffer
	errors    []byte   // replies of the front's own
	runs      [][]byte // what one writev sends
	chunks    []byte   // the chunk heads among them

	keepAlive, header, body, send, linger, idle, retry *loop.Class

	limits  http1.Limits
	drained func() // not nil: draining, and called when nothing is in flight
}

func newLane(f *Front, port *dispatch.Port, bell int) (*lane, error) {
	l := &lane{front: f, port: port, open: map[*conn]struct{}{}, limits: f.options.Limits,
		scratch: make([]byte, scratchSize), errors: make([]byte, 0, 1024),
		runs: make([][]byte, 0, maxRuns), chunks: make([]byte, 0, maxRuns*chunkHeadMax)}
	var err error
	if l.loop, err = loop.New(port, l.panicked); err != nil {
		return nil, err
	}
	if err := l.loop.AddBell(bell); err != nil {
		return nil, err
	}
	port.Attach(l.loop)
	l.keepAlive = l.loop.NewClass(f.options.KeepAlive)
	l.header = l.loop.NewClass(f.options.HeaderTimeout)
	l.body = l.loop.NewClass(f.options.BodyTimeout)
	l.send = l.loop.NewClass(f.options.SendTimeout)
	l.linger = l.loop.NewClass(lingerFor)
	l.idle = l.loop.NewClass(drainIdle)
	l.retry = l.loop.NewClass(acceptAgain)
	return l, nil
}

// panicked reports what a connection's bytes made of our own code; the server goes on.
func (l *lane) panicked(p any) {
	l.front.options.Log.Error("front panicked", "error", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// acceptor takes connections from one listener.
type acceptor struct {
	lane     *lane
	listener *listen.Listener
	index    uint16
	token    loop.Token
	timer    loop.Timer
}

func (l *lane) accept(listener *listen.Listener, index int) {
	if l.drained != nil {
		return
	}
	a := &acceptor{lane: l, listener: listener, index: uint16(index)}
	l.acceptors = append(l.acceptors, a)
	a.watch()
}

func (a *acceptor) watch() {
	var err error
	a.token, err = a.lane.loop.Add(a.listener.FD, a, loop.Listener)
	a.lane.front.logged("watching a listener", err)
}

func (l *lane) unaccept() {
	for _, a := range l.acceptors {
		if a.timer.In(l.retry) {
			a.timer.Stop()
			continue
		}
		l.front.logged("leaving a listener", l.loop.Forget(a.listener.FD, a.token))
	}
	l.acceptors = nil
}

// Ready implements [loop.Handler].
func (a *acceptor) Ready(uint32) {
	for range acceptBatch {
		fd, peer, err := unix.Accept4(a.listener.FD, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			a.lane.opened(fd, peer, a.index)
		case unix.EAGAIN:
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			a.pause(err)
			return
		default: // the client left before we came
		}
	}
}

// pause leaves the listener alone for a moment: it would be reported ready again and again.
func (a *acceptor) pause(err error) {
	a.lane.front.options.Log.Warn("accept paused", "error", err, "open", len(a.lane.open))
	a.lane.front.logged("leaving a listener", a.lane.loop.Forget(a.listener.FD, a.token))
	a.lane.retry.Set(&a.timer, a)
}

// Expired implements [loop.Expirer].
func (a *acceptor) Expired(*loop.Class) { a.watch() }

func (l *lane) opened(fd int, peer unix.Sockaddr, listener uint16) {
	c := l.newConn()
	c.socket.FD, c.transport = fd, &c.socket
	c.request.Listener = listener
	c.setPeer(peer)
	var err error
	if c.token, err = l.loop.Add(fd, c, loop.Socket); err != nil {
		l.front.logged("watching a connection", err)
		_ = unix.Close(fd)
		return
	}
	l.open[c] = struct{}{}
	l.header.Set(&c.timer, c)
}

func (l *lane) newConn() *conn {
	n := len(l.spare)
	if n == 0 {
		return &conn{lane: l}
	}
	c := l.spare[n-1]
	l.spare = l.spare[:n-1]
	c.phase = phaseHead
	return c
}

// setPeer formats the peer's address once for all requests of the connection. IPv4 addresses mapped into IPv6 are given
// as IPv4, whatever the listener.
func (c *conn) setPeer(peer unix.Sockaddr) {
	ip, port := netip.Addr{}, 0
	switch peer := peer.(type) {
	case *unix.SockaddrInet4:
		ip, port = netip.AddrFrom4(peer.Addr), peer.Port
	case *unix.SockaddrInet6:
		ip, port = netip.AddrFrom16(peer.Addr).Unmap(), peer.Port
	default:
		c.request.RemoteAddr, c.request.RemotePort = nil, nil
		return
	}
	text := ip.AppendTo(c.peer[:0])
	n := len(text)
	text = strconv.AppendInt(text, int64(port), 10)
	c.request.RemoteAddr, c.request.RemotePort = text[:n:n], text[n:]
}

// drain lets go of idle connections and calls done when no request is left.
func (l *lane) drain(done func()) {
	l.drained = done
	for c := range l.open {
		if c.phase == phaseHead && c.pending() == 0 {
			l.idle.Set(&c.timer, c)
		}
	}
	l.checkDrained()
}

func (l *lane) checkDrained() {
	if l.drained != nil && len(l.open) == 0 && l.port.InFlight() == 0 {
		l.drained()
		l.drained = func() {}
	}
}
