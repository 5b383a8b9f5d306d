package speyside

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/generation"
	"speyside.dev/speyside/internal/interpreter"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
	"speyside.dev/speyside/internal/spool"
)

// probation is how long the old generation stands by after a reload: the new one's first seconds.
const probation = 2 * time.Second

// Server is one running server: a front, and one generation of the application after the other.
type Server struct {
	current atomic.Pointer[settings.Settings]
	reread  func(context.Context) (*config.Config, error) // the configuration, for a reload
	first   *config.Config                                // that of the start, until a generation has it
	file    string                                        // of the configuration, at the start; empty: none
	level   *slog.LevelVar
	log     *slog.Logger
	started func(Started)
	begun   time.Time
	script  bool
	caller  *os.File // the control socket of a process that serves itself; nil where Python is started
	program string   // the path that the program was started by
	boot    string   // eight digits of this start, in the identifiers of its requests

	spool       *spool.Spool
	ports       []*os.File
	front       *front.Front
	logs        logs
	reaper      *arbiter.Reaper
	memory      *arbiter.Memory
	generations *generation.Succession
	preparing   preparing
	watched     watched
	managed     managed
	upgrade     upgrade
	activated   map[int]*listen.Listener // that a service manager has opened
	identity    becoming

	scaled      atomic.Int32           // how many workers there should be
	floor       atomic.Int32           // fewer than which demand does not have
	added       atomic.Uint64          // workers, by demand
	dismissed   atomic.Uint64          // workers, for want of it
	rebound     chan struct{}          // has one when the bounds may be others
	chosen      atomic.Pointer[string] // why the interpreter of the newest generation is the one
	ages        atomic.Int32           // how many workers there have been
	told        atomic.Int32           // how many workers the newest generation was told that there will be; 0 before the first
	interrupted atomic.Bool            // INT, rather than TERM, has ended it
	alone       atomic.Bool            // the application is a script that serves in its own process
	scaling     sync.Mutex
	reckonedBy  *settings.Settings // under scaling: those that the number is by

	drainOnce sync.Once
	drain     chan struct{}

	mu        sync.Mutex
	accepting bool
	addresses []listen.Address
	loads     map[*load]struct{}
	stopping  *stopping // nil before a drain
}

// New prepares a server: listeners are open when it returns, unless a script says where to listen. Errors are a [fault.Error]
// where somebody can do something about it. The server calls started once the application is loaded and connections are accepted, and reread for
// each reload.
func New(c *config.Config, reread func(context.Context) (*config.Config, error), started func(Started)) (*Server, error) {
	return build(c, reread, started, nil)
}

func build(c *config.Config, reread func(context.Context) (*config.Config, error), started func(Started), caller *os.File) (_ *Server, err error) {
	s, level := c.Settings, new(slog.LevelVar)
	level.Set(s.LogLevel)
	r := &Server{boot: fmt.Sprintf("%08x", rand.Uint32()), reread: reread, level: level, started: started, begun: time.Now(), script: caller == nil && isScript(s.Apps[0].WSGIApp), caller: caller, drain: make(chan struct{}),
		log: slog.New(observe.NewHandler(os.Stderr, level)), loads: map[*load]struct{}{}, program: interpreter.Program(os.Args[0])}
	r.current.Store(s)
	r.first = c
	r.file = c.File
	r.scaled.Store(int32(r.begunWith(s)))
	r.rebound, r.reckonedBy = make(chan struct{}, 1), s
	least, _, _ := r.bounds(s)
	r.floor.Store(int32(least))
	// With a spare processor for each loop that waits behind the scheduler's back, and one more, the goroutines that the
	// loops start do not wait for them.
	runtime.GOMAXPROCS(s.Loops + 2)
	defer func() {
		if err != nil {
			r.close()
			_ = c.Close() // it has been killed, and no error says more than the one at hand
		}
	}()
	if err := r.findIdentity(); err != nil {
		return nil, err
	}
	if err := r.openLogs(); err != nil {
		return nil, err
	}
	r.tell(c.Notes)
	if err := r.openService(); err != nil {
		return nil, err
	}
	if _, err := r.python(s.Apps[0]); err != nil {
		return nil, err
	}
	if r.reaper, err = arbiter.NewReaper(); err != nil {
		r.log.Warn("orphans will not be seen", "error", err)
	}
	r.memory = arbiter.NewMemory(os.DirFS("/"))
	if r.spool, err = spool.New(s.TmpUploadDir, s.SpoolLimit); err != nil {
		return nil, fault.New(fault.SpoolNotMade, "%w", err)
	}
	if err := r.makePorts(); err != nil {
		return nil, fault.New(fault.SegmentNotMade, "%w", err)
	}
	if err := r.makeFront(); err != nil {
		return nil, err
	}
	if err := r.listen(context.Background(), r.addressesWanted()); err != nil {
		return nil, errors.Join(err, r.front.Close())
	}
	r.mu.Lock()
	r.generations = generation.New(generation.Options{Make: r.makeLoad, Probation: probation, Workers: r.workers(), Overlap: s.Apps[0].ReloadOverlap,
		Prepare: r.prepare, Began: r.reloadBegan, Settled: r.reloadSettled, Log: r.log}) // before anybody can ask what there is
	r.mu.Unlock()
	if r.upgrade.predecessor == nil {
		if err := errors.Join(r.openHealth(context.Background()), r.openStats(context.Background())); err != nil {
			return nil, errors.Join(err, r.front.Close())
		}
	}
	return r, nil
}

// app is the application that is served: one, for now.
func (r *Server) app() *settings.App { return r.settings().Apps[0] }

// settings are those of the generation in service. What a reload cannot change is as it was at the start.
func (r *Server) settings() *settings.Settings { return r.current.Load() }

// workers is how many there should be now.
func (r *Server) workers() int { return int(r.scaled.Load()) }

// reckoned is how `auto` came to that many workers, where it did.
func (r *Server) reckoned() string {
	if r.script || r.workers() != r.app().Workers {
		return ""
	}
	return r.app().Reckoned()
}

// begunWith and threads are 1 for a script unless somebody asked for more: it may keep state in globals.
func (r *Server) begunWith(s *settings.Settings) int {
	if r.script && !s.Given("workers") {
		return s.Apps[0].Bounded(1)
	}
	return s.Apps[0].Workers
}

func (r *Server) threads(s *settings.Settings) int {
	if r.script && !s.Given("threads") {
		return 1
	}
	return s.Apps[0].Threads
}

// python looks for the interpreter, which a reload may find elsewhere.
func (r *Server) python(app *settings.App) (interpreter.Interpreter, error) {
	if r.caller != nil {
		return interpreter.Interpreter{}, nil
	}
	return find(app, r.program)
}

// requestID is a request's identifier: of this start, and the front's count.
func (r *Server) requestID(count uint64) string { return fmt.Sprintf("%s-%x", r.boot, count) }

// makePorts makes what the workers of every generation ring the loops with.
func (r *Server) makePorts() error {
	for i := range r.settings().Loops {
		bell, err := newBell()
		if err != nil {
			return fmt.Errorf("making the bell of port %d: %w", i, err)
		}
		r.ports = append(r.ports, bell)
	}
	return nil
}

// newBell makes an eventfd that only a loop waits for. A descriptor that does not block when it becomes an os.File is watched by Go's own
// poller as well: then each ring would wake a second thread, for nothing, and take a processor from the worker that has rung.
func newBell() (*os.File, error) {
	descriptor, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	bell := os.NewFile(uintptr(descriptor), "port")
	if err := unix.SetNonblock(descriptor, true); err != nil { // so that whatever one worker writes keeps no other waiting
		return nil, errors.Join(fmt.Errorf("eventfd: %w", err), bell.Close())
	}
	return bell, nil
}

// Run serves until Drain, the end of a script, or the end of ctx, which stops at once. A nil error is a stop that was asked
// for, or a script that came to its end; others are a [fault.Error] where somebody can do something about it. It is called once.
func (r *Server) Run(ctx context.Context) error {
	defer r.close()
	alive, over := context.WithCancel(context.WithoutCancel(ctx))
	defer over()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.watched.halt = stop
	if r.upgrade.predecessor == nil {
		r.openControl()
	}
	r.takeName()
	if err := r.takeIdentity(); err != nil {
		return errors.Join(err, r.front.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- r.front.Run() }()
	go r.reaper.Run(alive)
	r.watchService(alive)
	r.watchSources(alive, r.app())
	go r.followDemand(alive)
	if r.generations.Begin() == nil {
		go r.awaitStop(ctx, alive)
	}
	err := r.generations.Wait()
	r.flush()
	over()
	r.mu.Lock()
	successor := r.upgrade.take()
	r.mu.Unlock()
	r.giveUp(successor)
	r.concluded()
	r.front.Stop()
	return errors.Join(err, <-ended)
}

// takeName has the kernel show the server's name, where it was given one; it keeps the first 15 bytes.
func (r *Server) takeName() {
	if r.settings().Given("proc_name") {
		_ = os.WriteFile("/proc/self/comm", []byte(r.settings().ProcName), 0)
	}
}

// Reload loads the application again beside the one that serves, and gives it the line when it is ready. It does not wait;
// what became of it is logged.
func (r *Server) Reload() { r.generations.Reload() }

// loaded begins to accept once the application is there for the first time.
func (r *Server) loaded(l arbiter.Loaded) {
	r.alone.Store(l.Alone)
	if l.Alone && r.demanded() != nil {
		r.log.Warn("demand not followed", "settings", "workers_min, workers_max", "reason", "the script serves in its own process, which is its only worker")
	}
	r.mu.Lock()
	accepting := r.accepting
	r.accepting = true
	r.mu.Unlock()
	if accepting {
		return // the zygote was started again, or this is a reload
	}
	if len(r.listeners()) == 0 { // a script that served without make_server
		if err := r.listen(context.Background(), r.settings().Bind); err != nil {
			r.generations.Kill(err)
			return
		}
	}
	r.mu.Lock()
	r.upgrade.loaded = l
	early := r.upgrade.predecessor != nil
	r.upgrade.serving = !early
	r.mu.Unlock()
	if early { // the workers must be ready, too
		return
	}
	r.front.Accept()
	r.tellServing(l)
}

// urls are the addresses that are listened on.
func (r *Server) urls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	urls := make([]string, 0, len(r.addresses))
	for _, a := range r.addresses {
		urls = append(urls, url(a))
	}
	return urls
}

// close gives back what the server has of its own, after the loops have ended.
func (r *Server) close() {
	r.managed.removePid() // before who waits for the end is told that it has come
	r.watched.close()
	defer r.logs.closeFile() // nobody has anything to tell any more
	defer r.managed.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := []error{r.closeLogs()}
	for l := range r.loads {
		errs = append(errs, l.segment.Close())
		delete(r.loads, l)
	}
	if r.spool != nil {
		errs = append(errs, r.spool.Close())
	}
	for _, port := range r.ports {
		errs = append(errs, port.Close())
	}
	if err := errors.Join(errs...); err != nil {
		r.log.Error("cleanup failed", "error", err)
	}
}
