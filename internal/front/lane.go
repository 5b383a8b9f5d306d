//go:build linux

package front

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/loop"
	"speyside.dev/speyside/internal/observe"
)

const (
	// lingerFor is how long a client may take to read the last reply before the connection is closed with bytes unread.
	lingerFor = 2 * time.Second
	// lingerMost bounds the bytes that are thrown away meanwhile.
	lingerMost = 64 << 20
	// drainIdle is how long an idle connection is kept while draining: a request may be on its way.
	drainIdle = time.Second
	// scratchSize holds what is read only to be moved on: parts of large bodies.
	scratchSize = 64 << 10
)

// lane is one loop with its ports and its connections. All of it runs on the loop.
type lane struct {
	front   *Front
	options Options // of the front, as far as they may change
	routes  routes
	loop    *loop.Loop

	port     *dispatch.Port   // that takes the requests; nil before the first generation
	ports    []*dispatch.Port // of all generations that are left
	retiring []retiring
	line     *Generation // that the port belongs to
	values   observe.Values
	asked    atomic.Int32 // questions from other goroutines that are not answered yet

	entrance entrance
	open     map[*conn]struct{}
	spare    []*conn // closed ones, used again
	gathers  []*gather
	scratch  []byte   // read buffer
	errors   []byte   // replies of the front's own
	runs     [][]byte // what one writev sends
	rooms    [][]byte // what one readv fills
	chunks   []byte   // the chunk heads among them
	helpers  helpers
	parking  parking

	keepAlive, header, body, send, abandon, linger, idle, retry, scan *loop.Class

	logbook  *logbook // nil: there is no access log
	refused  refused
	limits   http1.Limits
	trusting http1.Limits // of peers that are trusted proxies
	leaving  bool         // a drain is announced: no connection is kept after its next reply
	drained  func()       // not nil: draining, and called when nothing is in flight
}

func newLane(f *Front, bell int) (*lane, error) {
	l := &lane{front: f, options: f.options, routes: newRoutes(f.options.RootPath, f.options.Routes, f.options.Rest), open: map[*conn]struct{}{},
		scratch: make([]byte, scratchSize), errors: make([]byte, 0, 1024),
		runs: make([][]byte, 0, maxRuns), rooms: make([][]byte, 0, 8), chunks: make([]byte, 0, maxRuns*chunkHeadMax)}
	l.limit(f.options.Limits)
	var err error
	if l.loop, err = loop.New(l, l.panicked); err != nil {
		return nil, err
	}
	if err := l.loop.AddBell(bell); err != nil {
		return nil, err
	}
	l.scan = dispatch.NewScan(l.loop)
	l.logbook = newLogbook(l, f.options.AccessLog)
	l.keepAlive = l.loop.NewClass(f.options.KeepAlive)
	l.header = l.loop.NewClass(f.options.HeaderTimeout)
	l.body = l.loop.NewClass(f.options.BodyTimeout)
	l.send = l.loop.NewClass(f.options.SendTimeout)
	l.abandon = l.loop.NewClass(f.options.AbandonAfter)
	l.linger = l.loop.NewClass(lingerFor)
	l.idle = l.loop.NewClass(cmp.Or(f.options.DrainIdle, drainIdle))
	l.retry = l.loop.NewClass(acceptAgain)
	l.entrance.reopened = l.reopen
	return l, nil
}

// limit has heads be held to these limits; only trusted proxies may send the fields that are kept.
func (l *lane) limit(limits http1.Limits) {
	l.trusting, l.limits = limits, limits
	l.limits.Kept = nil
}

// configure has other options count from now on.
func (l *lane) configure(o Options, routes routes) {
	is := &l.options
	o.InMemory, o.Connections, o.Count, o.LivePath, o.ReadyPath = is.InMemory, is.Connections, is.Count, is.LivePath, is.ReadyPath
	o.Server, o.Identify, o.Log = is.Server, is.Identify, is.Log
	l.options, l.routes = o, routes
	l.limit(o.Limits)
	l.keepAlive.Change(o.KeepAlive)
	l.header.Change(o.HeaderTimeout)
	l.body.Change(o.BodyTimeout)
	l.send.Change(o.SendTimeout)
	l.abandon.Change(o.AbandonAfter)
	for _, port := range l.ports {
		port.Bound(o.Line)
	}
}

// panicked reports what a connection's bytes made of our own code; the server goes on.
func (l *lane) panicked(p any) {
	l.options.Log.Error("front panicked", "error", fmt.Sprint(p), "stack", string(debug.Stack()))
}

func (l *lane) opened(fd int, peer netip.AddrPort, listener uint16) {
	c := l.newConn()
	c.socket.FD, c.transport = fd, &c.socket
	c.request.Listener = listener
	c.setPeer(peer)
	var err error
	if c.token, err = l.loop.Add(fd, c, loop.Socket); err != nil {
		l.front.logged("watching a connection", err)
		_ = unix.Close(fd)
		l.front.crowd.leave()
		return
	}
	l.open[c] = struct{}{}
	l.values[observe.ConnectionsTotal]++
	l.header.Set(&c.timer, c)
}

func (l *lane) newConn() *conn {
	n := len(l.spare)
	if n == 0 {
		return &conn{lane: l}
	}
	c := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return c
}

// drain lets go of idle connections and calls done when no request is left.
func (l *lane) drain(done func()) {
	l.leaving, l.drained = true, done
	for c := range l.open {
		if c.phase <= phasePreamble && c.pending() == 0 || c.phase == phaseLinger && l.front.options.DrainIdle > 0 {
			l.idle.Set(&c.timer, c)
		}
	}
	l.checkDrained()
}

// lingering is the time that a client has to read its last reply: the usual one, but where somebody waits for the end of a drain.
func (l *lane) lingering() *loop.Class {
	if l.drained != nil && l.front.options.DrainIdle > 0 {
		return l.idle
	}
	return l.linger
}

func (l *lane) checkDrained() {
	if l.drained != nil && len(l.open) == 0 && l.inFlight() == 0 {
		l.drained()
		l.drained = func() {}
	}
}
