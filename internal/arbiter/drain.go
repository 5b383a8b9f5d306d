//go:build linux

package arbiter

import (
	"syscall"
	"time"
)

const (
	loadGrace = 2 * time.Second // for a zygote that is told to end while it loads
	forkGrace = 2 * time.Second // for one that is to be killed while it forks
)

// drain starts the orderly end.
func (a *Arbiter) drain() {
	if a.draining || a.done {
		return
	}
	a.draining = true
	for _, at := range a.places {
		if at.worker != nil {
			a.drainWorker(at.worker)
		}
	}
	if z := a.zygote; z != nil && !z.loaded {
		z.process.signal(syscall.SIGTERM)
		time.AfterFunc(loadGrace, func() { z.process.signal(syscall.SIGKILL) })
	}
	a.settle()
}

func (a *Arbiter) drainWorker(w *worker) {
	if w.ordered || w.dead {
		return
	}
	w.ordered = true
	a.orderDrain(w, drainWorker{Type: "DrainWorker", Interrupted: a.draining && a.byInterrupt()})
}

func (a *Arbiter) orderDrain(w *worker, order drainWorker) {
	if err := w.control.send(order); err != nil {
		a.log.Debug("worker did not take an order", "worker", w.number, "pid", w.pid, "error", err)
	}
}

// settle goes the next step of an orderly end: the workers first, then the script or the zygote, then Run.
func (a *Arbiter) settle() {
	if !a.draining || a.done {
		return
	}
	for _, at := range a.places {
		if w := at.worker; w != nil && !(w.zygote.alone && w.drained) {
			return
		}
	}
	z := a.zygote
	switch {
	case z == nil && a.vacant():
		a.finish(a.result)
	case z != nil && a.options.Caller != nil: // it goes on without us
		a.finish(a.result)
	case z == nil || !z.loaded || z.ending:
	case a.options.Script:
		z.ending = true
		a.order(z, bare{"StopScript"})
	default:
		z.ending = true
		a.endService(z)
		z.control.dismiss()
	}
}

func (a *Arbiter) vacant() bool {
	for _, at := range a.places {
		if at.worker != nil {
			return false
		}
	}
	return true
}

// killLate ends what has not drained in time.
func (a *Arbiter) killLate() {
	for _, at := range a.places {
		if w := at.worker; w != nil && !w.drained {
			a.log.Warn("worker killed", "worker", w.number, "pid", w.pid, "reason", "it did not drain in time")
		}
	}
	a.kill()
}

// kill ends everything at once. The zygote of a configuration with hooks has a moment to call those that come at the end.
func (a *Arbiter) kill() {
	a.draining = true
	if a.options.Caller != nil {
		a.letGo()
		return
	}
	if a.hurry() {
		return
	}
	a.killing = true
	for _, at := range a.places {
		if at.worker != nil {
			at.worker.giveUp()
		}
	}
	if z := a.zygote; z != nil {
		a.after(forkGrace, func() {
			if z == a.zygote {
				z.process.signal(syscall.SIGKILL)
			}
		})
	}
	a.killZygote()
	a.settle()
}

// killZygote ends the zygote when everything ends, unless there may be a worker of it whose process is not known: it will name that one,
// and nobody else could before that one has loaded.
func (a *Arbiter) killZygote() {
	z := a.zygote
	if !a.killing || z == nil {
		return
	}
	for _, at := range a.places {
		if w := at.worker; w != nil && w.zygote == z && w.pid == 0 && !z.alone {
			return
		}
	}
	z.process.signal(syscall.SIGKILL)
}

// giveUp kills the worker because everything ends. One that was told to end and has not is killed for that.
func (w *worker) giveUp() {
	w.givenUp = w.givenUp || !w.leaving() && !w.killed
	w.ordered = true
	w.kill()
}

// finish ends Run.
func (a *Arbiter) finish(err error) {
	if !a.done {
		a.done, a.result = true, err
	}
}
