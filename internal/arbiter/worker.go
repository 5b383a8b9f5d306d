//go:build linux

package arbiter

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// statusPatience is how long a death waits to be explained by the zygote before it is logged without its status.
const statusPatience = time.Second

// place is a worker's number and who has it.
type place struct {
	worker     *worker // nil while there is none
	deaths     backoff
	delayed    bool // a new worker is due later
	reclaiming bool // the requests of the dead worker are being seen to
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
	status    int   // as the zygote said
	rss       int64 // bytes in RAM at the last look; 0 before
}

// fill spawns the workers that are missing, each at the lowest number that is free.
func (a *Arbiter) fill() {
	if z := a.zygote; z == nil || !z.loaded || z.ended || z.dead || a.draining || a.done {
		return
	}
	missing := a.wanted()
	for _, at := range a.places {
		if a.zygote.alone && at.worker != nil {
			return // it is the process that would have to be another
		}
		if at.delayed || at.worker != nil && !at.worker.leaving() {
			missing--
		}
	}
	for number := range a.places {
		if at := &a.places[number]; missing > 0 && at.worker == nil && !at.delayed && !at.reclaiming {
			a.spawn(a.zygote, number)
			missing--
		}
	}
}

// wanted is how many workers there should be, those that leave not counted: one more while one is renewed.
func (a *Arbiter) wanted() int {
	switch {
	case a.zygote != nil && a.zygote.alone:
		return 1
	case a.renewing != nil:
		return a.options.Workers + 1
	}
	return a.options.Workers
}

// leaving reports that the worker is to end, and another one is to take its place.
func (w *worker) leaving() bool { return w.ordered || w.condemned }

func (a *Arbiter) spawn(z *zygote, number int) {
	ours, theirs, err := newControl()
	if err != nil {
		a.log.Error("worker not spawned", "worker", number, "error", err)
		a.delay(number)
		return
	}
	defer theirs.Close()
	stacks, dumps, err := newStacks()
	if err != nil {
		ours.close()
		a.log.Error("worker not spawned", "worker", number, "error", err)
		a.delay(number)
		return
	}
	defer dumps.Close()
	if a.options.Spawning != nil {
		a.options.Spawning(number)
	}
	w := &worker{number: number, zygote: z, control: ours, stacks: stacks, heard: make(chan struct{}), status: unknownStatus}
	a.places[number].worker = w
	go a.hear(w)
	a.order(z, spawnWorker{Type: "SpawnWorker", Worker: number, Listeners: a.options.Listeners()}, theirs, dumps)
	time.AfterFunc(spawnTimeout, func() { a.post(func() { a.spawnLate(w) }) })
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
}

// identify learns which process the worker is, and watches it.
func (a *Arbiter) identify(w *worker, pid int) {
	w.pid = pid
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
	a.log.Error("worker not spawned", "worker", w.number, "error", line(f.Text))
	a.places[w.number].worker = nil
	w.dead = true
	w.control.close()
	_ = w.stacks.Close()
	a.delay(w.number)
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
		a.log.Info("worker ready", "worker", w.number, "pid", f.Pid)
		if a.options.Ready != nil {
			a.options.Ready(w.number, f.Pid)
		}
		a.countReady()
		a.renewNext()
	case f.Type == "WorkerDrained" && !w.drained && f.Worker == w.number:
		w.drained = true
		a.log.Debug("worker drained", "worker", w.number, "pid", w.pid, "requests", f.Requests)
		a.settle()
	case f.Type == "WarmupFailed" && !w.ready && f.Worker == w.number:
		if f.Traceback != "" && a.options.Traceback != nil {
			a.options.Traceback(lines(f.Traceback))
		}
		a.warmupFailed(w, applicationFailed(f))
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
		process := w.process
		time.AfterFunc(closeGrace, func() { process.signal(syscall.SIGKILL) })
	}
}

// workerDied has the dead worker's requests seen to, and a new one spawned after.
func (a *Arbiter) workerDied(w *worker) {
	if w.dead {
		return
	}
	w.dead = true
	if a.renewing == w {
		a.renewing = nil
	}
	a.tellLeft(w)
	at := &a.places[w.number]
	at.worker, at.reclaiming = nil, true
	switch {
	case w.zygote.alone:
		w.zygote.dead = true
	case !w.ordered && w.pid != 0:
		a.delay(w.number)
	}
	if w.pid != 0 {
		a.explain(w)
	}
	a.options.Dead(w.number, func() {
		go a.post(func() {
			at.reclaiming = false
			a.fill()
			a.settle()
		})
	})
	w.control.close()
	a.renewNext()
}

// delay counts a death at this number. The next worker is spawned at once, or when its delay is over.
func (a *Arbiter) delay(number int) {
	at := &a.places[number]
	delay := at.deaths.died(time.Now())
	if delay == 0 || a.draining {
		return
	}
	a.log.Warn("worker delayed", "worker", number, "delay", delay)
	at.delayed = true
	time.AfterFunc(delay, func() {
		a.post(func() {
			at.delayed = false
			a.fill()
		})
	})
}

// explain logs the death with its status: ours to ask if the worker's zygote has died, else the zygote tells.
func (a *Arbiter) explain(w *worker) {
	status := w.status
	if status == unknownStatus && w.process != nil {
		status = w.process.reap()
	}
	if status != unknownStatus || w.process == nil || w.zygote != a.zygote {
		a.logDeath(w, status)
		return
	}
	a.unexplained[w.pid] = w
	time.AfterFunc(statusPatience, func() {
		a.post(func() {
			if a.unexplained[w.pid] == w {
				a.logDeath(w, w.process.reap())
			}
		})
	})
}

func (a *Arbiter) workerReaped(f fact) {
	if w := a.unexplained[f.Pid]; w != nil && w.number == f.Worker {
		a.logDeath(w, f.Status)
	} else if w := a.at(f.Worker); w != nil && w.pid == f.Pid {
		w.status = f.Status
		if w.process == nil { // it was gone before it could be watched, and now nobody has its memory
			a.workerDied(w)
		}
	}
}

func (a *Arbiter) logDeath(w *worker, status int) {
	delete(a.unexplained, w.pid)
	defer w.stacks.Close()
	log := a.log.Warn
	switch {
	case exitStatus(status) == 0 && w.ordered:
		log = a.log.Debug
	case exitStatus(status) == 0 && (w.drained || a.draining || w.zygote.alone): // a script ends when it likes
		log = a.log.Info
	}
	log("worker reaped", append([]any{"worker", w.number, "pid", w.pid}, describe(status)...)...)
	if !w.ordered && !w.drained && !a.draining && !w.zygote.alone {
		a.crashed("worker "+strconv.Itoa(w.number)+" died", status)
	}
	if w.process != nil && !w.zygote.alone {
		w.process.close()
		a.options.Reaper.forget(w.pid)
	}
}

// crashed tells of a process that ended without being asked to.
func (a *Arbiter) crashed(what string, status int) {
	if a.options.Crashed != nil {
		how := describe(status)
		a.options.Crashed(fmt.Sprintf("%s: %s %v", what, how[0], how[1]))
	}
}

// countReady tells once that as many workers are ready as there should be.
func (a *Arbiter) countReady() {
	if a.allReady || a.readyWorkers() < a.wanted() {
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

// kill ends the worker. One whose process is not known yet sees its control socket close.
func (w *worker) kill() {
	if w.dead {
		return
	}
	if w.process == nil {
		w.control.dismiss()
		return
	}
	w.process.signal(syscall.SIGKILL)
}
