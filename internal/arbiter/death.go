//go:build linux

package arbiter

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/observe"
)

// A worker's death is one record: how it ended, how much memory it had, what it was working on, and what faulthandler wrote. The
// record waits for the status, which the zygote tells, and for the loops, which tell the requests.

// statusPatience is how long the record of a death waits for the zygote before it is written without a status.
const statusPatience = time.Second

// death is what is known of how a worker ended.
type death struct {
	status    int   // as waitpid gives it, or unknownStatus
	peak      int64 // the most bytes it had in RAM; 0 is not known
	explained bool  // status and peak are as good as they will be
	inHand    []Request
	reclaimed bool // inHand is there
	recorded  bool
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
	case !w.leaving() && w.pid != 0: // who takes the place of one that leaves has a number of its own
		a.delay(w.number, 0)
	}
	a.unrecorded[w] = struct{}{}
	a.explain(w)
	a.options.Dead(w.number, func(inHand []Request) {
		a.mail(func() {
			at.reclaiming = false
			w.death.inHand, w.death.reclaimed = inHand, true
			a.record(w)
			a.fill()
			a.settle()
		})
	})
	w.control.close()
	a.renewNext()
}

// explain learns the status: ours to ask if the worker's zygote has died, else the zygote tells.
func (a *Arbiter) explain(w *worker) {
	w.ask()
	if w.death.status != unknownStatus || w.process == nil || w.zygote != a.zygote {
		w.death.explained = true
		return
	}
	a.after(statusPatience, func() {
		w.ask()
		w.death.explained = true
		a.record(w)
	})
}

// ask takes the status of a worker that is our child, which it may have become when its zygote died.
func (w *worker) ask() {
	if w.death.status == unknownStatus && w.process != nil {
		w.death.status, w.death.peak = w.process.reap()
	}
}

func (a *Arbiter) workerReaped(f fact) {
	peak := int64(max(0, f.Peak)) << 10
	for w := range a.unrecorded {
		if w.pid == f.Pid && w.number == f.Worker {
			w.death.status, w.death.peak, w.death.explained = f.Status, peak, true
			a.record(w)
			return
		}
	}
	if w := a.at(f.Worker); w != nil && w.pid == f.Pid {
		w.death.status, w.death.peak = f.Status, peak
		if w.process == nil { // it was gone before it could be watched, and now nobody has its memory
			a.workerDied(w)
		}
	}
}

// record writes the record of a death when all is known that will be.
func (a *Arbiter) record(w *worker) {
	if d := &w.death; d.recorded || !d.explained || !d.reclaimed {
		return
	}
	a.recordNow(w)
}

func (a *Arbiter) recordNow(w *worker) {
	w.death.recorded = true
	delete(a.unrecorded, w)
	defer w.stacks.Close()
	if w.pid == 0 {
		return // its zygote died while it forked, and nobody has said that there is one
	}
	status := w.death.status
	log := a.log.Warn
	switch {
	case exitStatus(status) == 0 && w.ordered, w.zygote.process.foreign && len(w.death.inHand) == 0:
		log = a.log.Debug
	case exitStatus(status) == 0 && (w.drained || a.draining || w.zygote.alone): // a script ends when it likes
		log = a.log.Info
	case w.givenUp && w.killed && (w.wasKilled() || status == unknownStatus) && len(w.death.inHand) == 0: // the zygote may die before it tells
		log = a.log.Info
	}
	fields := append([]any{"worker", w.number, "pid", w.pid}, describe(status)...)
	if why := a.why(w); why != "" {
		fields = append(fields, "why", why)
	}
	fields = append(fields, w.memory()...)
	if n := len(w.death.inHand); n > 0 {
		fields = append(fields, "in_hand", n)
	}
	log("worker reaped", append(fields, observe.Text(w.lastWords()))...)
	if a.deferred != nil && !a.wasLoaded && !w.leaving() && !a.draining { // no worker has ever come as far as that
		a.unfit(w, diedLoading(a.options.Python[0], status, true))
	} else if !w.ordered && !w.drained && !a.draining && !w.zygote.alone {
		a.crashed("worker "+strconv.Itoa(w.number)+" died", status)
	}
	if w.process != nil && !w.zygote.alone {
		w.process.close()
		a.options.Reaper.forget(w.pid)
	}
}

// why says who has killed the worker, as far as that can be known.
func (a *Arbiter) why(w *worker) string {
	switch {
	case !w.wasKilled():
		return ""
	case w.killed:
		return "killed by this server"
	}
	return a.options.Memory.explain(time.Now())
}

// wasKilled reports that the worker ended by SIGKILL, whoever sent it.
func (w *worker) wasKilled() bool {
	wait := unix.WaitStatus(w.death.status)
	return w.death.status != unknownStatus && wait.Signaled() && wait.Signal() == syscall.SIGKILL
}

// memory is how much the worker had, as fields of a record.
func (w *worker) memory() []any {
	var fields []any
	if w.rss > 0 {
		fields = append(fields, "rss", size(w.rss))
	}
	if w.death.peak > 0 {
		fields = append(fields, "peak_rss", size(w.death.peak))
	}
	return fields
}

// lastWords is what each thread that had a request was at, and what faulthandler wrote of the one that crashed.
func (w *worker) lastWords() string {
	var b strings.Builder
	for _, r := range w.death.inHand {
		b.WriteString(r.lastSeen())
		b.WriteByte('\n')
	}
	if status := w.death.status; status != unknownStatus && crashes(unix.WaitStatus(status)) {
		b.WriteString(w.dumped())
	}
	return b.String()
}

// lastSeen tells a request of a worker that has died.
func (r Request) lastSeen() string {
	age := "less than 100ms" // nobody had looked yet
	if r.Age > 0 {
		age = r.Age.Round(time.Millisecond).String()
	}
	request := r.Label
	if request == "" {
		request = "a request"
	}
	text := fmt.Sprintf("thread %d: %s for %s, id=%s client=%s", r.Thread, line(request), age, r.ID, r.Client)
	if r.Note != "" {
		text += " (" + r.Note + ")"
	}
	return text
}

// crashes reports that the process died of a signal for which faulthandler writes a stack.
func crashes(status unix.WaitStatus) bool {
	if !status.Signaled() {
		return false
	}
	switch status.Signal() {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL:
		return true
	}
	return false
}

// crashed tells of a process that ended without being asked to.
func (a *Arbiter) crashed(what string, status int) {
	if a.options.Crashed != nil {
		how := describe(status)
		a.options.Crashed(fmt.Sprintf("%s: %s %v", what, how[0], how[1]))
	}
}
