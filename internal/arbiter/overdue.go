//go:build linux

package arbiter

import (
	"slices"
	"strings"
	"syscall"
	"time"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/observe"
)

// A request that has used up its time was answered by the front already. What is left is its thread: it is told, the stack it stood
// at is logged, and a worker whose thread does not come back is replaced.

const (
	// stackPatience is how long a worker may take to say where a thread stands. One that does not say holds the GIL in C code.
	stackPatience = time.Second
	// dumpPatience is how long a thread may take to write its stack after a signal.
	dumpPatience = 200 * time.Millisecond
	// dumpPause is how long it writes nothing when it has come to the end of that.
	dumpPause = 10 * time.Millisecond
	// lookAgain is how often a worker that waits for its other threads is looked at.
	lookAgain = 100 * time.Millisecond
)

// Request is a request that a worker works on.
type Request struct {
	ID      string
	Label   string // method and target
	Client  string
	Age     time.Duration
	Worker  int
	Thread  int // the kernel's number, as the worker says
	Slot    uint32
	Filling uint32 // which use of the slot it is
	Note    string // what there is to say of it when its worker has died
}

func (r Request) String() string {
	return r.Label + " " + r.Age.Round(time.Millisecond).String() + " " + r.ID
}

// overdue is a request that was answered in the application's place.
type overdue struct {
	Request
	worker   *worker
	told     bool // its record is in the log
	returned bool
}

// Overdue says that a request has used up its time. It does not wait.
func (a *Arbiter) Overdue(r Request) {
	a.mail(func() { a.interrupt(r) })
}

// Returned says that the thread of an overdue request has come back. It does not wait.
func (a *Arbiter) Returned(worker int, slot, filling uint32) {
	a.mail(func() { a.cameBack(worker, slot, filling) })
}

func (a *Arbiter) interrupt(r Request) {
	w := a.at(r.Worker)
	if w == nil || w.dead || w.process == nil {
		a.tell(r, 0, "", "its worker has died")
		return
	}
	o := &overdue{Request: r, worker: w}
	w.overdue = append(w.overdue, o)
	if w.condemned {
		o.told = true
		a.tell(r, w.pid, "", "")
		return
	}
	order := interruptRequest{Type: "InterruptRequest", Slot: r.Slot, Filling: r.Filling}
	if err := w.control.send(order); err != nil {
		a.log.Debug("worker did not take an order", "worker", w.number, "pid", w.pid, "error", err)
	}
	a.after(stackPatience, func() { a.silent(o) })
}

// interrupted logs where the thread of an overdue request stood. It has been told to come back, and gets some time for that.
func (a *Arbiter) interrupted(w *worker, f fact) {
	for _, o := range w.overdue {
		if o.Slot == f.Slot && o.Filling == f.Filling && !o.told {
			o.told = true
			a.tell(o.Request, w.pid, lines(f.Stack), "")
			a.after(a.options.TimeoutGrace, func() { a.graceOver(o) })
		}
	}
	w.forgetOverdue()
}

// tell writes the record of an overdue request.
func (a *Arbiter) tell(r Request, pid int, stack, note string) {
	fields := []any{"id", r.ID, "request", r.Label, "client", r.Client, "age", r.Age.Round(time.Millisecond), "worker", r.Worker,
		"pid", pid, "thread", r.Thread}
	if note != "" {
		fields = append(fields, "note", note)
	}
	a.log.Error("request timed out", append(fields, "code", fault.RequestTimedOut.Code, observe.Text(stack))...)
}

// silent gives up a worker that did not say where a thread stands: no thread of it can do anything while one holds the GIL.
func (a *Arbiter) silent(o *overdue) {
	w := o.worker
	if o.told || w.dead || w.condemned {
		return
	}
	o.told = true
	if o.returned {
		a.tell(o.Request, w.pid, "", "its thread came back before it could be asked")
		w.forgetOverdue()
		return
	}
	a.condemn(w)
	a.fill()
	a.options.GiveUp(w.number, func(others []Request) { a.mail(func() { a.giveUp(o, others) }) })
}

// giveUp logs and kills a worker that holds the GIL. Its other requests have been answered, too.
func (a *Arbiter) giveUp(o *overdue, others []Request) {
	w := o.worker
	if w.dead {
		a.tell(o.Request, w.pid, "", "its worker has died")
		return
	}
	beside := ""
	if len(others) > 0 {
		beside = "; beside it: " + labels(others)
	}
	if stopped(w.pid) { // it writes nothing, and when it wakes it may claim: nobody gains by waiting
		w.kill() // before the log has whoever stopped it wake it
		a.tell(o.Request, w.pid, "", "the process was stopped by a signal; it was killed"+beside)
		return
	}
	w.dump(o.Thread)
	a.awaitDump(w, "", time.Now().Add(dumpPatience), func(stack string) {
		w.kill()
		a.tell(o.Request, w.pid, stack, "the GIL is held in C code; the worker was killed"+beside)
	})
}

// awaitDump calls done with what a thread has written of its stack, as soon as it writes no more: a worker that has got hold of its GIL
// again must not claim what it is killed with.
func (a *Arbiter) awaitDump(w *worker, stack string, latest time.Time, done func(stack string)) {
	a.after(dumpPause, func() {
		more := w.dumped()
		if stack += more; more == "" && stack != "" || time.Now().After(latest) {
			done(stack)
			return
		}
		a.awaitDump(w, stack, latest, done)
	})
}

// labels tells requests in one line.
func labels(requests []Request) string {
	all := make([]string, 0, len(requests))
	for _, r := range requests {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}

// graceOver replaces a worker whose thread did not come back: the others finish what they have.
func (a *Arbiter) graceOver(o *overdue) {
	w := o.worker
	if o.returned || w.dead || w.condemned {
		return
	}
	a.condemn(w)
	switch {
	case w.zygote.process.foreign:
		a.log.Warn("thread lost", "pid", w.pid, "reason", "it did not come back from "+o.Label, "id", o.ID)
		return
	case w.zygote.alone:
		a.log.Warn("script run again", "pid", w.pid, "reason", "its thread did not come back from "+o.Label, "id", o.ID)
		w.kill()
		return
	}
	a.log.Warn("worker replaced", "worker", w.number, "pid", w.pid, "reason", "a thread did not come back from "+o.Label, "id", o.ID)
	a.drainWorker(w)
	a.fill()
	a.killWhenIdle(w, time.Now().Add(a.options.DrainPatience))
}

// killWhenIdle kills the worker when its threads have nothing left but overdue requests.
func (a *Arbiter) killWhenIdle(w *worker, latest time.Time) {
	if w.dead {
		return
	}
	a.options.InHand(w.number, func(left []Request) {
		a.mail(func() {
			if len(left) == 0 || time.Now().After(latest) {
				w.kill()
				return
			}
			a.after(lookAgain, func() { a.killWhenIdle(w, latest) })
		})
	})
}

// cameBack notes that a thread is there again. Its worker is renewed all the same: nobody knows what it was stopped in.
func (a *Arbiter) cameBack(number int, slot, filling uint32) {
	w := a.at(number)
	if w == nil || w.dead {
		return
	}
	for _, o := range w.overdue {
		o.returned = o.returned || o.Slot == slot && o.Filling == filling
	}
	w.forgetOverdue()
	a.renew(w, "a request timed out in it")
}

// tellLeft writes the records that a worker owes when it ends.
func (a *Arbiter) tellLeft(w *worker) {
	for _, o := range w.overdue {
		if !o.told {
			o.told = true
			a.tell(o.Request, w.pid, "", "its worker ended before it could be asked")
		}
	}
}

// forgetOverdue drops the requests that are over: the thread is back, and the record in the log.
func (w *worker) forgetOverdue() {
	w.overdue = slices.DeleteFunc(w.overdue, func(o *overdue) bool { return o.told && o.returned })
}

// dump has a thread of the worker write its stack, by a signal to that thread alone.
func (w *worker) dump(thread int) {
	if w.process.foreign {
		return
	}
	_ = tgkill(w.pid, thread, syscall.Signal(dumpSignal))
}
