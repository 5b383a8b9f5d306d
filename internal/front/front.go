//go:build linux

// Package front is the process that clients talk to: listeners, loops, and the connections on them.
//
// Callers need [New], [Front.NewGeneration], [Front.Switch], [Front.Listen], [Front.Run] and [Front.Drain]. The package joins the protocol (http1) with the workers (dispatch); it
// parses nothing itself, starts no process and knows no setting.
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/spool"
)

// Options say how the front behaves.
type Options struct {
	Rest          Route   // for the paths that no route is about
	Routes        []Route // the longest prefix counts
	RootPath      string  // what the application is mounted under
	InMemory      int     // larger bodies go to the spool
	Limits        http1.Limits
	KeepAlive     time.Duration // idle time between two requests; 0 closes after each reply
	HeaderTimeout time.Duration // for a head to arrive; 0: for ever
	BodyTimeout   time.Duration // over which a body must keep its rate; 0: for ever
	SendTimeout   time.Duration // for a client to take some of a reply; 0: for ever
	AbandonAfter  time.Duration // for a request to be started once its client has ended its side; 0: for ever
	DrainIdle     time.Duration // how long a connection without a request is kept while draining: one may be on its way; 0: a second, and longer after a last reply
	Connections   int           // at once, of all loops; 0: any number
	Proxies       Proxies
	LivePath      string // of health checks; empty: there are none
	ReadyPath     string
	Line          dispatch.Bounds // what waits for a worker is held to
	Count         bool            // keep tallies of what each worker does
	Server        string          // the Server field's value
	AccessLog     *AccessLog      // nil: there is none
	// Identify returns the identifier of a request by its number, as logs and applications have it; nil: the number.
	Identify func(uint64) string
	Log      *slog.Logger
}

// Front serves the connections, by the workers of one generation after the other.
type Front struct {
	options Options
	spool   *spool.Spool
	lanes   []*lane
	nextID  atomic.Uint64
	crowd   crowd
	dropped dropped
	doubts  quota // of proxies

	draining  atomic.Bool
	succeeded atomic.Bool // another process listens in its place

	mu        sync.Mutex
	listeners []*listen.Listener
}

// New makes a front with one loop per bell: the eventfds that the workers of every generation ring.
func New(options Options, spool *spool.Spool, bells []int) (*Front, error) {
	f := &Front{options: options, spool: spool}
	if options.Identify == nil {
		f.options.Identify = func(id uint64) string { return strconv.FormatUint(id, 16) }
	}
	f.crowd.setLimit(options.Connections)
	for i, bell := range bells {
		lane, err := newLane(f, bell)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("making loop %d: %w", i, err), f.closeLanes())
		}
		f.lanes = append(f.lanes, lane)
	}
	f.crowd.lanes = f.lanes
	return f, nil
}

// Configure has other options count from now on, for what waits already as well. Those that are about what was made with the front stay as they were:
// InMemory, Connections, Count, LivePath, ReadyPath, Server, AccessLog, Identify and Log.
func (f *Front) Configure(options Options) {
	routes := newRoutes(options.RootPath, options.Routes, options.Rest)
	for _, l := range f.lanes {
		l.loop.Post(func() { l.configure(options, routes) })
	}
}

// Run turns all loops until they stop: after Drain, or when one of them fails.
func (f *Front) Run() error {
	failed := make(chan error, len(f.lanes))
	for _, l := range f.lanes {
		go func() { failed <- l.loop.Run() }()
	}
	var err error
	for range f.lanes {
		if e := <-failed; e != nil && err == nil {
			err = fmt.Errorf("event loop: %w", e)
			f.Stop()
		}
	}
	for _, l := range f.lanes {
		l.closeLogbook()
	}
	return errors.Join(err, f.closeLanes(), f.closeListeners())
}

// Listen opens a listener. Connections wait in the kernel's backlog until Accept.
func (f *Front) Listen(ctx context.Context, address listen.Address, options listen.Options) (listen.Address, error) {
	listener, err := listen.Open(ctx, address, options)
	if err != nil {
		return listen.Address{}, err
	}
	f.Add(listener)
	return listener.Address, nil
}

// Add has connections come from a listener that is open already, from Accept on.
func (f *Front) Add(listener *listen.Listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, listener)
}

// Accept begins to take connections from all listeners.
func (f *Front) Accept() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, listener := range f.listeners {
		for _, l := range f.lanes {
			l.loop.Post(func() { l.accept(listener, i) })
		}
	}
}

// AnnounceDrain has the server say that it is not ready, and every reply that its connection ends. All that comes is still
// served, on new connections too: balancers have the time until Drain to send their clients elsewhere.
func (f *Front) AnnounceDrain() {
	f.draining.Store(true)
	for _, l := range f.lanes {
		l.loop.Post(func() { l.leaving = true })
	}
}

// HandOver leaves the paths of Unix sockets to another process, which listens on the same sockets. The drain after it is no
// reason to send clients elsewhere.
func (f *Front) HandOver() {
	f.succeeded.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.Disown()
	}
}

// Drain stops listening, answers what was accepted, and returns when no connection has a request left, or with the
// context's error. Idle connections are closed after they have been idle for a second more: a request may be on its way.
func (f *Front) Drain(ctx context.Context) error {
	f.draining.Store(true)
	deaf := new(atomic.Int32)
	deaf.Store(int32(len(f.lanes)))
	drained := make(chan struct{}, len(f.lanes))
	for _, l := range f.lanes {
		l.loop.Post(func() {
			l.unaccept()
			if deaf.Add(-1) == 0 { // no loop looks at the listening sockets any more
				f.logged("closing the listeners", f.closeListeners())
			}
			l.drain(func() { drained <- struct{}{} })
		})
	}
	for range f.lanes {
		select {
		case <-drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Stop makes Run return without waiting for anything.
func (f *Front) Stop() {
	for _, l := range f.lanes {
		l.loop.Stop()
	}
}

// Close gives everything back when Run was never called.
func (f *Front) Close() error { return errors.Join(f.closeLanes(), f.closeListeners()) }

func (f *Front) closeListeners() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, listener := range f.listeners {
		errs = append(errs, listener.Close())
	}
	f.listeners = nil
	return errors.Join(errs...)
}

func (f *Front) closeLanes() error {
	var errs []error
	for _, l := range f.lanes {
		errs = append(errs, l.loop.Close())
	}
	return errors.Join(errs...)
}

func (f *Front) logged(doing string, err error) {
	if err != nil {
		f.options.Log.Error("front failed", "doing", doing, "error", err)
	}
}
