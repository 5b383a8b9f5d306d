// Package generation decides which load of the application serves: a reload starts a new one beside the old, which gives
// over the line only when the new one is ready, and comes back when that one crashes soon after.
//
// Callers need [Succession]: Begin, Reload and Drain, and the facts that each [Load] is told to state. The package starts no process
// and touches no request; what a generation consists of is behind Load.
package generation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// Load is one load of the application. Its methods are called with the succession's lock held: they must not block, and must
// not call back in the same goroutine.
type Load interface {
	// Start begins to load. What becomes of it is told to Succession by Loaded, Ready, Crashed and Ended.
	Start()
	// Enter gives it the line: all requests that nobody has claimed, and all that come.
	Enter()
	// Retire has it finish what it has started, and then end. It is never given the line again.
	Retire()
	// Scale has it have that many workers from now on. With tight, those that leave count, and none is beside them for a renewal.
	Scale(workers int, tight bool)
	// Kill ends it at once.
	Kill()
}

// Options say how a succession behaves.
type Options struct {
	// Make returns the load of generation number. An error fails the reload that asked for it.
	Make func(number int) (Load, error)
	// Prepare does what Make needs and what takes its time; nil: there is nothing. It is called before it, on a goroutine of its own and without the lock. When
	// the server stops meanwhile, what it returns is called instead of Make.
	Prepare func(number int) (discard func())
	// Probation is how long the generation before stands by after it gave over the line.
	Probation time.Duration
	// Workers is how many a generation has at first; that many crashes during probation, three at most, bring back the one before.
	Workers int
	// Overlap is how many workers there may be at once beyond those of one generation.
	Overlap int
	// Began and Settled are called when a reload begins, and when it is known what became of it; they must not block.
	Began   func(number int)
	Settled func(Outcome)
	Log     *slog.Logger
}

// first is the number of the generation that no reload begins.
const first = 1

// mostCrashes is how many crashes in its first seconds a generation of many workers may not have.
const mostCrashes = 3

// generation is one load and what is known of it.
type generation struct {
	Load
	number  int
	begun   time.Time
	crashes int
	failed  bool // it will not serve
	ready   bool // all its workers have been ready
	retired bool

	target  int  // how many workers it may have
	tight   bool // none beyond
	there   int  // how many it has
	serving int  // of them
	ending  bool // it starts none any more

	traceback string  // of the application, if it raised while it loaded
	outcome   Outcome // of the reload that began it, once it took over
}

// Succession is the generations that there are: one in service, one that stands by for a while, one that loads, and those that
// finish their last requests. Its methods may be called from everywhere.
type Succession struct {
	options Options

	mu      sync.Mutex
	workers int // that a generation has
	last    int // number given
	all     map[int]*generation
	current *generation // in service, or loading when it is the first
	standby *generation
	loading *generation
	making  bool // the next one is prepared
	again   bool // a reload was asked for while one was under way
	over    bool // no more reloads: the server stops
	err     error
	ended   chan struct{}
	outcome Outcome  // of the last reload
	waiters []waiter // for that of the next
	trial   *time.Timer
}

// New returns a succession without generations.
func New(options Options) *Succession {
	if options.Began == nil {
		options.Began, options.Settled = func(int) {}, func(Outcome) {}
	}
	return &Succession{options: options, workers: options.Workers, all: map[int]*generation{}, ended: make(chan struct{})}
}

// Begin starts the first generation. Its failure ends the succession.
func (s *Succession) Begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	g, err := s.make(s.last)
	if err != nil {
		s.finish(err)
		return err
	}
	s.current = g
	g.Enter() // first: one that is loaded already is served as soon as it has started
	g.Start()
	s.goOn()
	return nil
}

// make makes a generation.
func (s *Succession) make(number int) (*generation, error) {
	load, err := s.options.Make(number)
	if err != nil {
		return nil, err
	}
	g := &generation{Load: load, number: number, begun: time.Now(), target: s.workers}
	s.all[g.number] = g
	return g, nil
}

// Wait returns when every generation has ended, with the error of the one in service.
func (s *Succession) Wait() error {
	<-s.ended
	return s.err
}

// Reload starts a new generation. While one loads already, another follows as soon as it is known what becomes of that one: it
// may have read the old code.
func (s *Succession) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reloadSoon()
}

func (s *Succession) reloadSoon() {
	switch {
	case s.over:
	case s.current == nil, s.loading != nil, s.making, s.limited() && s.standby != nil: // there is no room for a third
		s.again = true
	default:
		s.reload()
	}
}

func (s *Succession) reload() {
	s.again = false
	s.last++
	s.options.Log.Info("reload began", "generation", s.last)
	s.options.Began(s.last)
	if s.options.Prepare == nil {
		s.load(s.last)
		return
	}
	s.making = true
	go s.prepare(s.last)
}

// prepare begins to load a generation when what it needs is there.
func (s *Succession) prepare(number int) {
	discard := s.options.Prepare(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making = false
	if s.over {
		discard()
		return
	}
	s.load(number)
	if s.loading == nil { // it could not be made
		s.goOn()
	}
}

// load begins to load a generation.
func (s *Succession) load(number int) {
	g, err := s.make(number)
	if err != nil {
		s.refused(number, err)
		return
	}
	s.loading = g
	s.share()
	g.Start()
}

// Ready says that all workers of a generation are ready: it takes over.
func (s *Succession) Ready(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.all[number]; g != nil {
		g.ready = true
	}
	g := s.loading
	if g == nil || g.number != number || g.failed || s.over {
		return
	}
	s.loading = nil
	s.tell(s.current.number, s.current.outcome) // that one has not crashed
	s.retire(s.standby)
	s.standby, s.current = s.current, g
	g.Enter()
	g.outcome = Outcome{Generation: number, At: time.Now()}
	s.outcome = g.outcome
	s.options.Settled(s.outcome)
	s.options.Log.Info("generation took over", "generation", number, "after", time.Since(g.begun).Round(time.Millisecond))
	s.trial = time.AfterFunc(s.options.Probation, func() { s.proved(g) })
	s.goOn()
	s.share()
}

// goOn begins the reload that was put off.
func (s *Succession) goOn() {
	if s.again {
		s.reloadSoon()
	}
}

// proved ends the standby: the generation has lived through its first seconds.
func (s *Succession) proved(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == g {
		s.retire(s.standby)
		s.standby = nil
		s.tell(g.number, g.outcome)
		s.goOn()
		s.share()
	}
}

func (s *Succession) retire(g *generation) {
	if g != nil {
		g.retired = true
		g.Retire()
	}
}

// Crashed says that a process of a generation ended without being asked to.
func (s *Succession) Crashed(number int, how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.all[number]
	if g == nil || g.failed || s.over {
		return
	}
	g.crashes++
	switch {
	case g == s.loading:
		s.fail(g, fault.New(fault.ReloadFailed, "%s before it was ready", how))
		g.Kill()
	case g == s.current && s.standby != nil && g.crashes >= min(mostCrashes, s.workers):
		s.goBack(g, how)
	}
}

// goBack gives the line back to the generation before.
func (s *Succession) goBack(g *generation, how string) {
	s.current, s.standby = s.standby, nil
	s.trial.Stop()
	s.current.Enter()
	s.retire(g)
	s.fail(g, fault.New(fault.ReloadFailed, "%s in its first seconds", how))
	s.goOn()
	s.share()
}

// fail notes that a generation will not serve.
func (s *Succession) fail(g *generation, err error) {
	g.failed = true
	s.refused(g.number, err)
	if s.loading == g {
		s.loading = nil
		s.goOn()
	}
}

// refused tells of a reload that came to nothing.
func (s *Succession) refused(number int, err error) {
	s.outcome = Outcome{Generation: number, At: time.Now(), Error: err.Error(), Hint: fault.Hint(err)}
	if f := fault.Of(err); f != nil {
		s.outcome.Code = f.Code
	}
	var raised interface{ Raised() string } // by a configuration, before there is a load
	if g := s.all[number]; g != nil {
		s.outcome.Traceback = g.traceback
	} else if errors.As(err, &raised) {
		s.outcome.Traceback = raised.Raised()
	}
	s.options.Settled(s.outcome)
	s.tell(number, s.outcome)
	fields := []any{"generation", number, "error", err, "serving", s.current.number, "code", s.outcome.Code}
	if s.outcome.Hint != "" {
		fields = append(fields, "hint", s.outcome.Hint)
	}
	s.options.Log.Error("reload failed", fields...)
}

// Ended says that all processes of a generation are gone, and why if it was not asked to end.
func (s *Succession) Ended(number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.all[number]
	if g == nil {
		return
	}
	switch g {
	case s.loading:
		s.fail(g, whyEnded(err))
	case s.standby:
		s.standby = nil
		s.goOn()
	case s.current: // a script that has come to its end, or one that was told to
		if s.err == nil {
			s.err = err
		}
		s.stop()
	}
	delete(s.all, number)
	s.share()
	if s.over && len(s.all) == 0 {
		s.finish(s.err)
	}
}

// whyEnded is the error of a generation that ended before it was ready.
func whyEnded(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return fault.New(fault.ReloadFailed, "it ended before it was ready")
	}
	return err
}

// stop ends what is not in service; nothing new begins.
func (s *Succession) stop() {
	s.over, s.again = true, false
	s.tellAll(stopped)
	if s.loading != nil {
		s.loading.Kill()
		s.loading = nil
	}
	s.retire(s.standby)
	s.standby = nil
}

func (s *Succession) finish(err error) {
	select {
	case <-s.ended:
	default:
		s.err, s.over = err, true
		close(s.ended)
	}
}

// Stop ends the reload that is under way, and begins no other. The generation in service goes on until Retire.
func (s *Succession) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// Retire has the generation in service finish, after Stop.
func (s *Succession) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.retire(s.current)
}

// Kill ends every generation at once, with err as the reason.
func (s *Succession) Kill(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.again = true, false
	s.tellAll(stopped)
	s.loading = nil // it has not failed
	if s.err == nil {
		s.err = err
	}
	for _, g := range s.all {
		g.Kill()
	}
	if len(s.all) == 0 {
		s.finish(s.err)
	}
}

// Scale has the generations have that many workers from now on, those that are to come too.
func (s *Succession) Scale(workers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = workers
	s.share()
}

// Current is the number of the generation in service.
func (s *Succession) Current() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.number
}
