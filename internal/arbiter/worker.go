//go:build linux

package arbiter

import (
	"os"
	"syscall"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// place is a worker's number and who has it.
type place struct {
	worker     *worker // nil while there is none
	deaths     backoff
	due        bool      // its worker died unasked, and the next one has its back-off: it takes this number again
	delayed    bool      // that one has to wait
	reclaiming bool      // the requests of the dead worker are being seen to
	spawns     int       // workers that have had the number
	spawned    time.Time // the last of them
}

// worker is one process that serves. Its fields belong to the goroutine of Run.
type worker struct {
	number    int
	zygote    *zygote // that forked it, or is it
	process   *process
	control   *control
	stacks    *os.File // what its faulthandler writes
	overdue   []*overdue
	heard     chan struct{} // closed when every fact has been posted
	pid       int           // as the zygote said, 0 before
	ready     bool
	ordered   bool // DrainWorker was sent
	weary     bool // it is to be renewed
	condemned bool // it does not answer, and will be killed
	drained   bool
	silent    bool // its end of the control socket is closed
	dead      bool
	refused   bool  // it misspoke, and is not listened to any more
	killed    bool  // by us
	givenUp   bool  // killed with everything else, for nothing of its own
	rss       int64 // bytes in RAM at the last look; 0 before
	death     death
	allowance allowance
}

// fill spawns the workers that are missing: who follows a worker that died unasked at its number, the others at the lowest free ones.
func (a *Arbiter) fill() {
	if z := a.zygote; z == nil || !z.loaded || z.ended || z.dead || a.draining || a.done {
		return
	}
	missing := a.wanted()
	for _, at := range a.places {
		if a.zygote.alone && at.worker != nil {
			return // it is the process that would have to be another
		}
		if at.worker != nil && (!at.worker.leaving() || a.tight.Load()) {
			missing--
		}
	}
	for _, due := range []bool{true, false} {
		for number := range a.places {
			at := &a.places[number]
			if missing <= 0 || at.worker != nil || at.due != due {
				continue
			}
			if !at.delayed && !at.reclaiming {
				at.due = false
				a.spawn(a.zygote, number)
				missing--
			} else if due { // when its time comes there is another look
				missing--
			}
		}
	}
}

// wanted is how many workers there should be, those that leave not counted: one more while one is renewed.
func (a *Arbiter) wanted() int {
	switch {
	case a.zygote != nil && a.zygote.alone:
		return 1
	case a.renewing != nil && !a.tight.Load():
		return a.workers() + 1
	}
	return a.workers()
}

// leaving reports that the worker is to end, and another one is to take its place.
func (w *worker) leaving() bool { return w.ordered || w.condemned }

func (a *Arbiter) spawn(z *zygote, number int) {
	ours, theirs, err := newControl()
	if err != nil {
		a.log.Error("worker not spawned", "worker", number, "error", err)
		a.delay(number, firstDelay)
		return
	}
	defer theirs.Close()
	stacks, dumps, err := newStacks()
	if err != nil {
		ours.close()
		a.log.Error("worker not spawned", "worker", number, "error", err)
		a.delay(number, firstDelay)
		return
	}
	defer dumps.Close()
	if a.options.Spawning != nil {
		a.options.Spawning(number)
	}
	w := &worker{number: number, zygote: z, control: ours, stacks: stacks, heard: make(chan struct{}), death: death{status: unknownStatus}}
	a.places[number].worker = w
	go a.hear(w)
	order := spawnWorker{Type: "SpawnWorker", Worker: number, Listeners: a.options.Listeners()}
	if a.options.Age != nil {
		order.Age = a.options.Age()
	}
	a.order(z, order, theirs, dumps)
	a.after(spawnTimeout, func() { a.spawnLate(w) })
}

// hear receives the worker's facts until it is silent. Who it is may not be known yet.
func (a *Arbiter) hear(w *worker) {
	for {
		f, err := w.control.receive()
		if _, malformed := err.(*malformedError); malformed {
			a.post(func() { a.workerMisspoke(w, err.Error()) })
			continue
		}
		if err != nil {
			break
		}
		a.post(func() { a.workerSaid(w, f) })
	}
	a.post(func() { a.workerSilent(w) })
	close(w.heard)
}

func (a *Arbiter) workerSpawned(z *zygote, f fact) {
	w := a.at(f.Worker)
	if w == nil || w.zygote != z || w.pid != 0 || z.alone && f.Pid != z.process.pid {
		a.zygoteMisspoke(z, "WorkerSpawned out of place")
		return
	}
	a.identify(w, f.Pid)
	a.killZygote()
}

// identify learns which process the worker is, and watches it.
func (a *Arbiter) identify(w *worker, pid int) {
	w.pid = pid
	a.places[w.number].spawns++
	a.places[w.number].spawned = time.Now()
	if w.zygote.alone {
		w.process = w.zygote.process
	} else {
		process, err := watch(pid, w.zygote.process.pid)
		if err != nil { // it died before we could look; the socket tells when its memory is let go
			w.control.dismiss()
			return
		}
		w.process = process
		a.options.Reaper.know(pid)
	}
	a.log.Debug("worker spawned", "worker", w.number, "pid", pid)
	if w.dead {
		return
	}
	if w.killed {
		w.kill()
	}
	a.awaitWarmup(w)
	go func() {
		w.process.wait()
		w.control.hush()
		<-w.heard
		a.post(func() { a.workerDied(w) })
	}()
}

func (a *Arbiter) spawnFailed(z *zygote, f fact) {
	w := a.at(f.Worker)
	if w == nil || w.zygote != z || w.pid != 0 {
		a.zygoteMisspoke(z, "SpawnFailed out of place")
		return
	}
	if f.Traceback != "" && a.options.Traceback != nil && !a.draining {
		a.options.Traceback(lines(f.Traceback))
	}
	a.places[w.number].worker = nil
	w.dead = true
	w.control.close()
	_ = w.stacks.Close()
	a.killZygote()
	switch {
	case f.Code != "" && !a.allReady: // a hook before the fork
		a.unfit(w, applicationFailed(f))
		a.settle()
		return
	case f.Code != "":
		err := applicationFailed(f)
		a.log.Error("worker not spawned", "worker", w.number, "error", err, "code", err.Fault.Code)
	default:
		a.log.Error("worker not spawned", "worker", w.number, "error", line(f.Text))
	}
	a.delay(w.number, firstDelay)
}

// spawnLate replaces a zygote that does not fork: it hangs, or somebody has stopped it.
func (a *Arbiter) spawnLate(w *worker) {
	if w.pid == 0 && !w.dead && w.zygote == a.zygote {
		a.log.Error("zygote did not fork", "pid", w.zygote.process.pid, "worker", w.number)
		w.zygote.process.signal(syscall.SIGKILL)
	}
}

func (a *Arbiter) workerSaid(w *worker, f fact) {
	if w.dead || w.refused {
		return
	}
	if w.pid == 0 && w.zygote != a.zygote && f.Pid > 0 { // its zygote died before it could say
		a.identify(w, f.Pid)
	}
	switch {
	case f.Type == "WorkerReady" && !w.ready && f.Worker == w.number && (w.pid == 0 || f.Pid == w.pid):
		w.ready = true
		a.tellLoaded(f.Pid)
		a.log.Info("worker ready", "worker", w.number, "pid", f.Pid)
		a.allow(w)
		if a.options.Ready != nil {
			a.options.Ready(w.number, f.Pid)
		}
		a.countReady()
		a.renewNext()
	case f.Type == "WorkerDrained" && !w.drained && f.Worker == w.number:
		w.drained = true
		a.log.Debug("worker drained", "worker", w.number, "pid", w.pid, "requests", f.Requests)
		a.settle()
	case (f.Type == "WarmupFailed" || f.Type == "LoadFailed") && !w.ready && f.Worker == w.number:
		if f.Traceback != "" && a.options.Traceback != nil && !a.draining { // the first says it for all
			a.options.Traceback(lines(f.Traceback))
		}
		a.unfit(w, applicationFailed(f))
	case f.Type == "ReloadWanted" && f.Worker == w.number:
		a.log.Info("reload wanted", "worker", w.number, "pid", w.pid)
		if a.options.Reload != nil && !a.draining {
			a.options.Reload()
		}
	case f.Type == "RequestInterrupted" && f.Worker == w.number:
		a.interrupted(w, f)
	default:
		a.workerMisspoke(w, "unknown fact "+line(f.Type))
	}
}

// workerMisspoke ends a worker that says what it cannot say.
func (a *Arbiter) workerMisspoke(w *worker, what string) {
	if w.dead || w.refused {
		return
	}
	a.log.Error("worker misspoke", "worker", w.number, "pid", w.pid, "what", what, "code", fault.WorkerMisspoke.Code)
	w.refused = true
	w.kill()
}

// workerSilent is told that the worker's end is closed: it is about to die, or nobody knows which process it was.
func (a *Arbiter) workerSilent(w *worker) {
	w.silent = true
	if w.process == nil {
		if w.pid != 0 || w.zygote != a.zygote {
			a.workerDied(w)
		}
		return
	}
	if !w.dead && !w.zygote.alone {
		a.after(closeGrace, w.kill)
	}
}

// delay counts a death at this number. The next worker is spawned by the next look, or when its delay is over, which is least or
// more.
func (a *Arbiter) delay(number int, least time.Duration) {
	at := &a.places[number]
	at.due = true
	delay := max(least, at.deaths.died(time.Now()))
	if delay == 0 || a.draining {
		return
	}
	a.log.Warn("worker delayed", "worker", number, "delay", delay)
	at.delayed = true
	a.after(delay, func() {
		at.delayed = false
		a.fill()
	})
}

// countReady tells once that as many workers are ready as there should be.
func (a *Arbiter) countReady() {
	if a.allReady || a.wanted() == 0 || a.readyWorkers() < a.wanted() {
		return
	}
	a.allReady = true
	if a.options.AllReady != nil {
		a.options.AllReady()
	}
}

// dismissUnknown gets rid of workers that the dead zygote may or may not have forked.
func (a *Arbiter) dismissUnknown(z *zygote) {
	for _, at := range a.places {
		if w := at.worker; w != nil && w.zygote == z && w.process == nil {
			w.control.dismiss()
			if w.silent {
				a.workerDied(w)
			}
		}
	}
}

func (a *Arbiter) at(number int) *worker {
	if number < 0 || number >= len(a.places) {
		return nil
	}
	return a.places[number].worker
}

// kill ends the worker. One whose process is not known yet sees its control socket close, and is killed when it is known.
func (w *worker) kill() {
	if w.dead {
		return
	}
	w.killed = true
	if w.process == nil {
		w.control.dismiss()
		return
	}
	w.process.signal(syscall.SIGKILL)
}
