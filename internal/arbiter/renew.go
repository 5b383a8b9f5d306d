//go:build linux

package arbiter

import (
	"slices"
)

// Renewing a worker: another one is spawned at a number of its own, and when that is ready the old one drains. One at a time, so
// that there is never less than the full number at work, and never more than one beside it.

// renew has the worker replaced. The fields say more of the reason.
func (a *Arbiter) renew(w *worker, reason string, fields ...any) {
	if w.weary || w.leaving() || w.dead || w.zygote.alone || a.draining {
		return
	}
	w.weary = true
	a.log.Info("worker recycled", append([]any{"worker", w.number, "pid", w.pid, "reason", reason}, fields...)...)
	a.weary = append(a.weary, w)
	a.renewNext()
}

// renewNext goes the next step: it drains the old worker when its successor is there, and begins with the next.
func (a *Arbiter) renewNext() {
	if w := a.renewing; w != nil && a.readyWorkers() > a.workers() {
		a.renewing = nil
		a.sendAway(w)
	}
	a.weary = slices.DeleteFunc(a.weary, func(w *worker) bool { return w.dead || w.leaving() })
	if a.renewing == nil && !a.tight.Load() && len(a.weary) > 0 && a.zygote != nil && a.zygote.loaded && !a.draining {
		a.renewing, a.weary = a.weary[0], a.weary[1:]
		a.fill()
	}
}

// sendAway has the worker finish what it has, within its time.
func (a *Arbiter) sendAway(w *worker) {
	a.drainWorker(w)
	a.after(a.options.DrainPatience, w.kill)
}

// condemn says that the worker is replaced without waiting for a successor. One that is on its way already is the one.
func (a *Arbiter) condemn(w *worker) {
	w.condemned = true
	if a.renewing == w {
		a.renewing = nil
	}
}

// readyWorkers is how many workers serve and are not about to leave.
func (a *Arbiter) readyWorkers() int {
	n := 0
	for _, at := range a.places {
		if w := at.worker; w != nil && w.ready && !w.leaving() {
			n++
		}
	}
	return n
}

// relieve renews the workers of a dead zygote, as soon as the new zygote has the application.
func (a *Arbiter) relieve() {
	for _, at := range a.places {
		if w := at.worker; w != nil && w.zygote != a.zygote {
			a.renew(w, "its zygote died")
		}
	}
}
