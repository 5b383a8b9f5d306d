//go:build linux

// Package arbiter keeps the zygote and its workers alive: it starts Python, has the application loaded once, has workers
// forked, sees every death at once and replaces what died. Most callers need New and Arbiter.Run; Arbiter.Drain ends it.
//
// It knows neither sockets nor requests: what a death means for the requests of a worker is asked of Options.Dead, and
// where to listen for a script of Options.Listen. It believes nothing that a zygote or worker says without checking it,
// and it waits for nobody: one goroutine owns all state, and every method only sends to it.
package arbiter

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Listener is an address that the front listens on, as the application sees it in the environ.
type Listener struct {
	Name   string `json:"name"`   // SERVER_NAME
	Port   string `json:"port"`   // SERVER_PORT
	Scheme string `json:"scheme"` // wsgi.url_scheme
}

// Loaded is what is known of an application that has been loaded.
type Loaded struct {
	Name       string // as the user named it
	Python     string // the version
	Executable string // of Python
	Framework  string // empty when it is not known
	Workers    int    // 1 for a script that serves in its own thread
	Threads    int    // per worker
	Alone      bool   // a script that serves in its own thread
}

// Identity is the user that this process has become. What it starts from now on is that user's; what it has started as root before becomes it, too.
type Identity struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"` // besides GID
}

// Options say what to load and whom to tell. The functions are called one at a time, by the goroutine of Run except
// Listen, and must not block.
type Options struct {
	Generation int      // the number of this load of the application
	Python     []string // the interpreter, and what starts Speyside's boot module in it
	Started    *Python  // it, started already; nil: Run starts it
	Reading    *Reading // the configuration that Started has read: whoever takes its place reads it again
	// Gunicorn is a JSON object: the value in effect of each of gunicorn's settings, for the hooks of its configuration; nil when it is not the one to be
	// like. Hooks are called in the zygote, and in the workers.
	Gunicorn      json.RawMessage
	UWSGI         []byte   // JSON of what the modules of uWSGI are told; nil: there are none
	Reload        func()   // the application wants to be loaded anew
	Occasion      string   // why it is loaded, for the hooks: OccasionStart or OccasionReload
	WorkersBefore int      // how many there should have been until now; 0 for none
	App           string   // as the user named it
	Script        bool     // run App as __main__
	Caller        *Caller  // the process that loads and serves, where that is none of ours; else nil
	Dir           string   // change there first; empty for the current directory
	PythonPath    []string // put on sys.path
	Env           []string // NAME=VALUE, besides what the front has
	Identity      *Identity
	ScriptName    string   // SCRIPT_NAME of every environ
	Boot          string   // of this start: what identifiers of requests begin with
	Warmup        []string // what each worker does before it claims
	Preload       string   // "off": each worker loads the application; "on": the zygote does; "auto": so unless its import leaves threads and the like
	Workers       int
	MostWorkers   int // that there may be while the application is there, as it is told; Workers at least
	Numbers       int // of workers that there is room for, more than Workers: who leaves keeps its own beside who comes
	Threads       int
	// PasteGlobal is NAME=VALUE for a PasteDeploy file.
	PasteGlobal []string
	// SwitchInterval of Python's threads, in microseconds; 0: leave it, -1: adapt it.
	SwitchInterval int
	Segment        *os.File
	Spool          *os.File
	Ports          []*os.File // their bells
	Sockets        []*os.File // one per port, for what workers hand over
	Reaper         *Reaper
	Memory         *Memory // nil: nobody knows whom the kernel kills
	Log            *slog.Logger
	Relay          []*os.File // a socket for records and a pipe for lines, when what Python writes to the log is not for standard error
	Capture        bool       // what the application prints goes to the pipe

	// Age returns how many workers there have been in all generations, the one that is about to be spawned among them.
	Age func() int
	// Ending reports that the server ends with this generation; Interrupted that it was interrupted, rather than told to end.
	Ending, Interrupted func() bool
	// Listen answers a script's make_server. It may take its time, and is asked again when the script is run again.
	Listen func(host string, port int) (Listener, error)
	// Listeners returns what there is to listen on when a worker is spawned.
	Listeners func() []Listener
	// Loaded is told when the application is there, the first time and after each death of the zygote.
	Loaded func(Loaded)
	// WarmupTimeout is how long a worker may take for it; 0 for any time.
	WarmupTimeout time.Duration
	// DrainPatience is how long a worker that is renewed may take to finish what it has started.
	DrainPatience time.Duration
	// Limits end a worker's service, and Served calls told with how many requests each has served, by number.
	Limits Limits
	Served func(told func([]uint64))
	// TimeoutGrace is how long a thread may go on after its request has timed out.
	TimeoutGrace time.Duration
	// InHand calls told with what a worker works on, without what is overdue; GiveUp answers it in the worker's place before.
	InHand, GiveUp func(worker int, told func([]Request))
	// Busy returns how many requests a worker runs: who has the least to finish is the first to leave. nil: nobody knows.
	Busy func(worker int) int
	// Spawning is told of the number of each worker before it is there.
	Spawning func(worker int)
	// Ready is told when a worker's threads claim.
	Ready func(worker, pid int)
	// Counted is told how many workers there are and how many of them serve, when that changes, and that no more will start.
	Counted func(there, serving int, ending bool)
	// AllReady is told once, when every worker has been ready.
	AllReady func()
	// Crashed is told of each worker, and of the zygote, that ended without being asked to.
	Crashed func(how string)
	// Dead is told when a worker has died. Its number is given to a new process only after acknowledged was called, with what
	// the worker had in hand.
	Dead func(worker int, acknowledged func([]Request))
	// Traceback is given the trimmed traceback of an application that failed to load, before Run returns or it is logged.
	Traceback func(text string)
}

// Why an application is loaded. A zygote that takes the place of one that died loads it for neither.
const (
	OccasionStart  = "start"
	OccasionReload = "reload"
	occasionAgain  = "again"
)

// Arbiter keeps one application's zygote and workers alive.
type Arbiter struct {
	options  Options
	log      *slog.Logger
	events   chan func()
	finished chan struct{}
	scaled   atomic.Int32 // how many workers there should be
	tight    atomic.Bool  // and not one more
	letters  letters

	// What follows belongs to the goroutine of Run.
	zygote     *zygote    // nil while there is none
	places     []place    // by worker number
	restarts   backoff    // of the zygote
	begun      bool       // a zygote has been told to load
	restarting bool       // a new zygote is due
	wasLoaded  bool       // the application was there once: failures from then on are retried
	deferred   *Loaded    // to be told when the first worker has loaded it
	allReady   bool       // that many workers as there should be have been ready at once
	renewing   *worker    // the one whose successor is on its way
	weary      []*worker  // that are to be renewed after it
	counted    counts     // what Counted was told
	preparing  func(bool) // told the answer to PrepareExec; nil when it is not asked
	draining   bool
	killing    bool // everything ends at once
	hurried    bool // what has hooks has been given its last moment
	done       bool
	result     error
	unrecorded map[*worker]struct{} // that are dead, and of which not all is known yet
	timers     map[*time.Timer]struct{}
}

// New returns an arbiter that has not started anything.
func New(options Options) *Arbiter {
	a := &Arbiter{
		options:    options,
		log:        options.Log.With("generation", options.Generation),
		events:     make(chan func()),
		finished:   make(chan struct{}),
		places:     make([]place, max(options.Numbers, options.Workers+1)),
		unrecorded: map[*worker]struct{}{},
		timers:     map[*time.Timer]struct{}{},
	}
	a.scaled.Store(int32(options.Workers))
	return a
}

// Run starts the zygote and keeps it and its workers alive until Drain or Kill, the end of a script, or the end of ctx,
// which kills. It returns a *fault.Error when the application cannot be loaded the first time or a script has failed.
func (a *Arbiter) Run(ctx context.Context) error {
	defer close(a.finished)
	a.startZygote()
	if a.options.Limits.names() != "" {
		go a.keepLooking()
	}
	over := ctx.Done()
	samples := time.NewTicker(sampleEvery)
	defer samples.Stop()
	for !a.done {
		select {
		case event := <-a.events:
			event()
		case <-samples.C:
			a.sample()
		case <-over:
			over = nil
			a.result = ctx.Err()
			a.kill()
		}
		a.tellCounts()
	}
	for w := range a.unrecorded {
		w.ask()
		a.recordNow(w)
	}
	for timer := range a.timers {
		timer.Stop()
	}
	return a.result
}

// Drain has every worker finish what it has started, then ends the zygote. It returns when everything has ended; when
// ctx ends first, what is left is killed.
func (a *Arbiter) Drain(ctx context.Context) {
	a.post(a.drain)
	select {
	case <-a.finished:
	case <-ctx.Done():
		a.post(a.killLate)
		<-a.finished
	}
}

// Kill ends the zygote and every worker at once. It does not wait.
func (a *Arbiter) Kill() {
	go a.post(a.kill)
}

// post has the goroutine of Run call event; after Run has returned it does nothing.
func (a *Arbiter) post(event func()) {
	select {
	case a.events <- event:
	case <-a.finished:
	}
}

// after has an event happen later, unless Run has ended by then: a timer would keep all that belongs to the generation.
func (a *Arbiter) after(delay time.Duration, event func()) {
	var timer *time.Timer
	timer = time.AfterFunc(delay, func() {
		a.post(func() {
			delete(a.timers, timer)
			event()
		})
	})
	a.timers[timer] = struct{}{}
}
