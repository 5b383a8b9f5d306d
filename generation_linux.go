package speyside

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/generation"
	"speyside.dev/speyside/internal/settings"
	"speyside.dev/speyside/internal/slot"
)

const (
	slots       = 1024 // requests in flight at once
	frontBlocks = 256  // 4 MiB of request bodies, beyond that the spool
	largeBlocks = 16
)

// load is one generation: a segment, the front's side of it, and an arbiter with its zygote and workers.
type load struct {
	server   *Server
	settings *settings.Settings // that it was made with
	number   int
	numbers  int // of workers
	serving  atomic.Int32
	segment  *slot.Segment
	line     *front.Generation
	arbiter  *arbiter.Arbiter

	retireOnce sync.Once
	retired    chan struct{} // closed when no loop has anything of the segment any more
}

// numbers is how many worker numbers a generation with room for so many workers has: who leaves keeps its own until it is gone, beside who replaces it. A number
// without a worker costs address space alone.
func numbers(room int) int { return 2*room + 8 }

// makeLoad looks for everything anew: the interpreter and the directory may be behind symbolic links that now lead elsewhere.
func (r *Server) makeLoad(number int) (_ generation.Load, err error) {
	c, err := r.configurationFor(number)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.Close() // it has been killed, and no error says more than the one at hand
		}
	}()
	s := c.Settings
	python, err := r.pythonFor(c)
	if err != nil {
		return nil, err
	}
	l := &load{server: r, settings: s, number: number, numbers: numbers(r.room(s)), retired: make(chan struct{})}
	perLoop := max(64, slots/r.settings().Loops/64*64)
	l.segment, err = slot.New(slot.Shape{Slots: perLoop * r.settings().Loops, Ports: r.settings().Loops, Workers: l.numbers,
		Threads: r.threads(s), FrontBlocks: frontBlocks, LargeBlocks: largeBlocks, Generation: number})
	if err != nil {
		return nil, fault.New(fault.SegmentNotMade, "%w", err)
	}
	l.segment.Expect(r.workers())
	l.line = r.front.NewGeneration(l.segment, l)
	options := l.options()
	options.Python, options.Started, options.Reading, options.Gunicorn = python.started, python.python, python.reading, c.Gunicorn
	options.UWSGI = c.UWSGI
	l.arbiter = arbiter.New(options)
	r.log.Debug("python chosen", "path", python.started[0], "why", python.why, "generation", number)
	r.chosen.Store(&python.why)
	r.mu.Lock()
	r.loads[l] = struct{}{}
	r.mu.Unlock()
	return l, nil
}

// switchInterval is the setting in the arbiter's words.
func switchInterval(d time.Duration) int {
	if d == settings.AutoSwitchInterval {
		return -1
	}
	return int(d / time.Microsecond)
}

func (l *load) options() arbiter.Options {
	r, s, a := l.server, l.settings, l.settings.Apps[0]
	_, most, _ := r.bounds(s)
	return arbiter.Options{
		Generation: l.number, Occasion: l.occasion(), WorkersBefore: int(r.told.Swap(int32(r.workers()))),
		Age:    func() int { return int(r.ages.Add(1)) },
		Ending: func() bool { return r.generations.Current() == l.number }, Interrupted: r.interrupted.Load,
		Caller: r.callerOptions(), App: a.WSGIApp, Script: r.script, Dir: a.Chdir, PasteGlobal: a.PasteGlobal, PythonPath: a.PythonPath, Env: a.RawEnv, Identity: r.identity.told(),
		ScriptName: a.RootPath, Boot: r.boot, Warmup: a.Warmup, Preload: a.Preload, Reload: r.Reload, WarmupTimeout: a.WarmupTimeout, Workers: r.workers(), MostWorkers: most, Numbers: l.numbers, Threads: r.threads(s),
		SwitchInterval: switchInterval(a.SwitchInterval),
		TimeoutGrace:   a.TimeoutGrace,
		InHand:         func(w int, told func([]arbiter.Request)) { l.line.InHand(w, l.requests(told)) },
		GiveUp:         func(w int, told func([]arbiter.Request)) { l.line.GiveUp(w, l.requests(told)) },
		Limits: arbiter.Limits{Requests: a.MaxRequests, RequestsJitter: a.MaxRequestsJitter, Lifetime: a.MaxWorkerLifetime,
			LifetimeJitter: a.MaxWorkerLifetimeJitter, Memory: a.MaxWorkerMemory, MemoryHard: a.MaxWorkerMemoryHard},
		Served:        l.line.Served,
		DrainPatience: s.GracefulTimeout, Spawning: l.segment.Use, Busy: l.segment.Busy,
		Segment: l.segment.File(), Spool: r.spool.File(), Ports: r.ports, Sockets: l.segment.Sockets(), Reaper: r.reaper,
		Memory: r.memory,
		Log:    r.log, Listen: r.listenForScript, Listeners: r.listeners, Loaded: r.loaded,
		Ready: func(worker, _ int) { l.line.WorkerReady(worker) },
		Counted: func(there, serving int, ending bool) {
			l.serving.Store(int32(serving))
			r.generations.Counted(l.number, there, serving, ending)
		},
		AllReady: l.ready,
		Crashed:  l.crashed,
		Dead:     func(w int, acknowledged func([]arbiter.Request)) { l.line.WorkerDied(w, l.requests(acknowledged)) },
		Relay:    r.logs.files(), Capture: r.logs.capture,
		Traceback: func(text string) {
			r.logs.traceback(text)
			r.generations.Traceback(l.number, text)
		},
	}
}

func (l *load) occasion() string {
	if l.number == 1 {
		return arbiter.OccasionStart
	}
	return arbiter.OccasionReload
}

// ready is called when all workers are.
func (l *load) ready() {
	l.server.generations.Ready(l.number)
	if l.occasion() == arbiter.OccasionStart {
		go debug.FreeOSMemory() // what reading the configuration and starting took; before, the first request would wait for it
	}
	if l.server.upgrade.predecessor != nil {
		go l.server.takeOver()
	}
}

// crashed is told how a process ended that was not asked to.
func (l *load) crashed(how string) {
	l.server.diedEarly(how)
	l.server.generations.Crashed(l.number, how)
}

// Overdue implements [dispatch.Watcher].
func (l *load) Overdue(o dispatch.Overdue) {
	r := l.request(o.InHand)
	r.Slot, r.Filling = o.Slot, o.Fill
	l.arbiter.Overdue(r)
}

// Returned implements [dispatch.Watcher].
func (l *load) Returned(worker int, slot, filling uint32) { l.arbiter.Returned(worker, slot, filling) }

// request is a request as the arbiter's records have it.
func (l *load) request(h dispatch.InHand) arbiter.Request {
	return arbiter.Request{ID: l.server.requestID(h.ID), Label: h.Request, Client: h.Client, Age: h.Age, Worker: h.Worker, Thread: h.Thread,
		Note: stageNotes[h.Stage]}
}

// stageNotes is what the record of a worker's death says of a request that was not simply running.
var stageNotes = map[dispatch.Stage]string{
	dispatch.StageQueued:  "not begun: another worker serves it",
	dispatch.StageLeft:    "its client had left",
	dispatch.StageOverdue: "it had timed out",
}

func (l *load) requests(told func([]arbiter.Request)) func([]dispatch.InHand) {
	return func(all []dispatch.InHand) {
		requests := make([]arbiter.Request, 0, len(all))
		for _, h := range all {
			requests = append(requests, l.request(h))
		}
		told(requests)
	}
}

// inService calls do with the generation in service, if there is one.
func (r *Server) inService(do func(*load)) {
	number := r.generations.Current()
	r.mu.Lock()
	var found *load
	for l := range r.loads {
		if l.number == number {
			found = l
		}
	}
	r.mu.Unlock()
	if found != nil {
		do(found)
	}
}

// Start implements [generation.Load].
func (l *load) Start() {
	go func() {
		err := l.arbiter.Run(context.Background())
		l.server.generations.Ended(l.number, err)
		if l.server.generations.Current() != l.number { // else the server ends, and the loops with it
			l.close()
		}
	}()
}

// Enter implements [generation.Load].
func (l *load) Enter() {
	l.server.front.Switch(l.line, func() {})
	l.server.adopt(l.settings)
}

// Retire implements [generation.Load]. Its workers claim until the line has moved, and finish within graceful_timeout.
func (l *load) Retire() { go l.finish() }

func (l *load) finish() {
	ctx, cancel := l.server.drainContext()
	defer cancel()
	if l.server.generations.Current() != l.number {
		l.retire()
	}
	forever, cut := context.WithCancel(context.Background())
	defer cut()
	drained := make(chan struct{})
	go func() {
		l.arbiter.Drain(forever)
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		l.server.drainCut()
		l.line.CutShort() // before the first worker dies of it
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cut()
		} else { // told to stop at once
			l.arbiter.Kill()
		}
		<-drained
	}
}

// Scale implements [generation.Load].
func (l *load) Scale(workers int, tight bool) { l.arbiter.Scale(workers, tight) }

// Kill implements [generation.Load].
func (l *load) Kill() { l.arbiter.Kill() }

func (l *load) retire() {
	l.retireOnce.Do(func() { l.line.Retire(func() { close(l.retired) }) })
}

// close gives the segment back when all processes are gone and every loop has let go of it.
func (l *load) close() {
	l.retire()
	<-l.retired
	settled := make(chan struct{})
	l.line.Settle(func() { close(settled) })
	<-settled
	r := l.server
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.loads[l]; !there {
		return
	}
	delete(r.loads, l)
	if err := l.segment.Close(); err != nil {
		r.log.Error("cleanup failed", "generation", l.number, "error", err)
	}
}
