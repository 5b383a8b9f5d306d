package speyside

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/spool"
)

const (
	slots       = 1024 // requests in flight at once
	frontBlocks = 256  // 4 MiB of request bodies, beyond that the spool
	largeBlocks = 16
)

// Run serves the application until drain is closed, which answers what was accepted, or ctx ends, which stops at once. It
// calls started once the application is loaded and connections are accepted. A nil error is a stop that was asked for; others
// are a [fault.Error] where somebody can do something about it.
func Run(ctx context.Context, s *settings.Settings, drain <-chan struct{}, started func(Started)) error {
	// With a spare processor for each loop that waits behind the scheduler's back, and one more, the goroutines that the
	// loops start do not wait for them.
	runtime.GOMAXPROCS(s.Loops + 2)
	server, err := build(s, started)
	if err != nil {
		return err
	}
	defer server.close()
	return server.run(ctx, drain)
}

// server is one generation: a front, a segment, and an arbiter with its zygote and workers.
type server struct {
	settings *settings.Settings
	log      *slog.Logger
	started  func(Started)
	begun    time.Time
	script   bool

	segment *slot.Segment
	spool   *spool.Spool
	ports   []*os.File
	sockets []*os.File // of the ports, the workers' ends
	inlets  []*os.File // our ends
	front   *front.Front
	arbiter *arbiter.Arbiter

	accepting bool  // belongs to the arbiter's goroutine, as does
	failure   error // why the server ended itself

	mu        sync.Mutex
	addresses []listen.Address
}

func build(s *settings.Settings, started func(Started)) (_ *server, err error) {
	level := new(slog.LevelVar)
	level.Set(s.LogLevel)
	r := &server{settings: s, started: started, begun: time.Now(), script: isScript(s.App),
		log: slog.New(observe.NewHandler(os.Stderr, level))}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	python, err := findPython(s.Python, executable(), os.Getenv, executableFile)
	if err != nil {
		return nil, err
	}
	if err := r.makeSegment(); err != nil {
		return nil, fault.New(fault.SegmentNotMade, "%w", err)
	}
	if r.spool, err = spool.New(s.TmpUploadDir, s.SpoolLimit); err != nil {
		return nil, fault.New(fault.SpoolNotMade, "%w", err)
	}
	if err := r.makeFront(); err != nil {
		return nil, err
	}
	if !r.script || s.Given("bind") {
		if err := r.listen(context.Background(), s.Bind); err != nil {
			return nil, errors.Join(err, r.front.Close())
		}
	}
	r.arbiter = arbiter.New(r.arbiterOptions(python))
	return r, nil
}

// workers and threads are 1 for a script unless somebody asked for more: it may keep state in globals.
func (r *server) workers() int {
	if r.script && !r.settings.Given("workers") {
		return 1
	}
	return r.settings.Workers
}

func (r *server) threads() int {
	if r.script && !r.settings.Given("threads") {
		return 1
	}
	return r.settings.Threads
}

func (r *server) makeSegment() (err error) {
	perLoop := max(64, slots/r.settings.Loops/64*64)
	r.segment, err = slot.New(slot.Shape{Slots: perLoop * r.settings.Loops, Ports: r.settings.Loops, Workers: r.workers(),
		Threads: r.threads(), FrontBlocks: frontBlocks, LargeBlocks: largeBlocks, Generation: 1})
	if err != nil {
		return err
	}
	for i := range r.settings.Loops {
		bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			return fmt.Errorf("making the bell of port %d: %w", i, err)
		}
		r.ports = append(r.ports, os.NewFile(uintptr(bell), "port"))
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("making the socket of port %d: %w", i, err)
		}
		r.inlets = append(r.inlets, os.NewFile(uintptr(ends[0]), "inlet"))
		r.sockets = append(r.sockets, os.NewFile(uintptr(ends[1]), "socket"))
	}
	return nil
}

func (r *server) makeFront() (err error) {
	bells, inlets := make([]int, len(r.ports)), make([]int, len(r.ports))
	for i, port := range r.ports {
		bells[i], inlets[i] = int(port.Fd()), int(r.inlets[i].Fd())
		if err := unix.SetNonblock(bells[i], true); err != nil { // Fd made it blocking
			return err
		}
	}
	s := r.settings
	r.front, err = front.New(front.Options{
		Limits: http1.Limits{Line: s.LimitRequestLine, Fields: s.LimitRequestFields, FieldSize: s.LimitRequestFieldSize,
			Underscores: underscores(s.HeaderMap)},
		InMemory: int(s.SpoolThreshold), Routes: frontRoutes(s), RootPath: s.RootPath,
		Rest:      front.Route{StreamRequest: s.StreamRequest, LimitBody: s.LimitRequestBody},
		KeepAlive: s.KeepAlive, HeaderTimeout: s.HeaderTimeout, BodyTimeout: s.BodyTimeout, SendTimeout: s.SendTimeout,
		Connections: r.connections(),
		Server:      "speyside", Log: r.log,
	}, r.segment, r.spool, bells, inlets)
	return err
}

// frontRoutes are the routes with what they do not say filled in from the settings.
func frontRoutes(s *settings.Settings) []front.Route {
	all := make([]front.Route, 0, len(s.Routes))
	for _, r := range s.Routes {
		route := front.Route{Prefix: r.Prefix, StreamRequest: s.StreamRequest, LimitBody: s.LimitRequestBody}
		if r.StreamRequest != nil {
			route.StreamRequest = *r.StreamRequest
		}
		if r.LimitRequestBody != nil {
			route.LimitBody = *r.LimitRequestBody
		}
		all = append(all, route)
	}
	return all
}

func underscores(headerMap string) http1.Underscores {
	switch headerMap {
	case "refuse":
		return http1.RefuseUnderscores
	case "dangerous":
		return http1.KeepUnderscores
	}
	return http1.DropUnderscores
}

// listen opens the listeners; connections wait in the backlog until the application is loaded.
func (r *server) listen(ctx context.Context, addresses []settings.Address) error {
	for _, a := range addresses {
		if _, err := r.open(ctx, listen.Address{Host: a.Host, Port: a.Port, Path: a.Path}); err != nil {
			return err
		}
	}
	return nil
}

func (r *server) open(ctx context.Context, address listen.Address) (listen.Address, error) {
	options := listen.Options{Backlog: r.settings.Backlog, Mode: 0o777 &^ fs.FileMode(r.settings.Umask)}
	bound, err := r.front.Listen(ctx, address, options)
	name := url(address)
	switch {
	case errors.Is(err, listen.ErrInUse):
		taken := fault.New(fault.AddressInUse, "%s is taken: another program listens there", name)
		taken.Err = unix.EADDRINUSE // what make_server raises in a script
		return bound, taken
	case err != nil:
		return bound, fault.New(fault.AddressNotBindable, "cannot listen on %s: %w", name, err)
	}
	r.mu.Lock()
	r.addresses = append(r.addresses, bound)
	r.mu.Unlock()
	return bound, nil
}

func (r *server) run(ctx context.Context, drain <-chan struct{}) error {
	ended := make(chan error, 1)
	go func() { ended <- r.front.Run() }()
	alive, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	go func() {
		select {
		case <-drain:
			r.drain(ctx)
		case <-ctx.Done():
			r.front.CutShort() // before the first worker dies of it
		case <-alive.Done():
		}
		kill()
	}()
	err := r.arbiter.Run(alive)
	if errors.Is(err, context.Canceled) {
		err = nil // a stop at once is a stop that was asked for
	}
	r.front.Stop()
	return errors.Join(r.failure, err, <-ended)
}

func (r *server) arbiterOptions(python string) arbiter.Options {
	return arbiter.Options{
		Python: python, App: r.settings.App, Script: r.script, Dir: r.settings.Chdir, PythonPath: r.settings.PythonPath,
		ScriptName: r.settings.RootPath,
		Workers:    r.workers(), Threads: r.threads(), Segment: r.segment.File(), Spool: r.spool.File(), Ports: r.ports,
		Sockets: r.sockets,
		Log:     r.log, Listen: r.listenForScript, Listeners: r.listeners, Loaded: r.loaded,
		Ready: func(int, int) {}, Dead: r.front.WorkerDied,
		Traceback: func(text string) { fmt.Fprint(os.Stderr, text) },
	}
}

// listenForScript answers make_server. What --bind says goes before what the script asks for.
func (r *server) listenForScript(host string, port int) (arbiter.Listener, error) {
	if listeners := r.listeners(); len(listeners) > 0 {
		return listeners[0], nil
	}
	bound, err := r.open(context.Background(), listen.Address{Host: host, Port: port})
	return asListener(bound), err
}

func (r *server) listeners() []arbiter.Listener {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]arbiter.Listener, 0, len(r.addresses))
	for _, a := range r.addresses {
		all = append(all, asListener(a))
	}
	return all
}

// asListener is an address as the environ has it: SERVER_NAME and SERVER_PORT are never empty (PEP 3333).
func asListener(a listen.Address) arbiter.Listener {
	switch {
	case a.Path != "":
		return arbiter.Listener{Name: "localhost", Port: "80", Scheme: "http"}
	case a.Host == "":
		a.Host = "0.0.0.0"
	}
	return arbiter.Listener{Name: a.Host, Port: strconv.Itoa(a.Port), Scheme: "http"}
}

// loaded begins to accept once the application is there.
func (r *server) loaded(l arbiter.Loaded) {
	if r.accepting {
		return // the zygote was started again
	}
	r.accepting = true
	if len(r.listeners()) == 0 { // a script that served without make_server
		if err := r.listen(context.Background(), r.settings.Bind); err != nil {
			r.fail(err)
			return
		}
	}
	r.front.Accept()
	urls := []string{}
	r.mu.Lock()
	for _, a := range r.addresses {
		urls = append(urls, url(a))
	}
	r.mu.Unlock()
	r.started(Started{URLs: urls, App: l.Name, Framework: l.Framework, Python: l.Python, Executable: l.Executable,
		Workers: l.Workers, Threads: l.Threads, Script: r.script, Took: time.Since(r.begun)})
}

// fail ends the server with err.
func (r *server) fail(err error) {
	r.failure = err
	r.arbiter.Kill()
}

// drain answers what was accepted, then lets the workers finish, both within graceful_timeout.
func (r *server) drain(ctx context.Context) {
	r.log.Info("drain began", "graceful_timeout", r.settings.GracefulTimeout)
	ctx, cancel := context.WithTimeout(ctx, r.settings.GracefulTimeout)
	defer cancel()
	if err := r.front.Drain(ctx); err != nil {
		r.log.Warn("drain cut short", "why", cause(ctx))
		r.front.CutShort()
	}
	r.arbiter.Drain(ctx)
}

// cause says in the operator's words why a drain ended before its time.
func cause(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "graceful_timeout is over"
	}
	return "told to stop at once"
}

func (r *server) close() {
	var errs []error
	if r.segment != nil {
		errs = append(errs, r.segment.Close())
	}
	if r.spool != nil {
		errs = append(errs, r.spool.Close())
	}
	for _, file := range slices.Concat(r.ports, r.sockets, r.inlets) {
		errs = append(errs, file.Close())
	}
	if err := errors.Join(errs...); err != nil {
		r.log.Error("cleanup failed", "error", err)
	}
}

// isScript reports whether app is a file to run, rather than a name to import.
func isScript(app string) bool { return strings.HasSuffix(app, ".py") && !strings.Contains(app, ":") }

func executable() string {
	path, err := os.Executable()
	if err != nil {
		return filepath.Join("/", "speyside")
	}
	return path
}

func url(a listen.Address) string {
	network := "tcp"
	if a.Path != "" {
		network = "unix"
	}
	host := a.Host
	if host == "" {
		host = "0.0.0.0"
	}
	return settings.Address{Network: network, Host: host, Port: a.Port, Path: a.Path}.URL()
}
