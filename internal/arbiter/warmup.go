//go:build linux

package arbiter

import (
	"speyside.dev/speyside/internal/fault"
)

// awaitWarmup gives the worker its time to become ready.
func (a *Arbiter) awaitWarmup(w *worker) {
	if len(a.options.Warmup) == 0 || a.options.WarmupTimeout == 0 {
		return
	}
	a.after(a.options.WarmupTimeout, func() {
		if !w.ready && !w.dead && !w.leaving() {
			a.unfit(w, fault.New(fault.WarmupFailed, "it was not done in %v", a.options.WarmupTimeout))
		}
	})
}

// unfit ends Run when no generation of workers was ready yet: this application is not fit to serve. Later it is told, and
// the worker is replaced as one that died.
func (a *Arbiter) unfit(w *worker, err *fault.Error) {
	if a.allReady {
		a.log.Error("worker not fit to serve", "worker", w.number, "pid", w.pid, "error", err, "code", err.Fault.Code)
		w.kill()
		return
	}
	if !a.draining {
		a.result = err
		a.kill()
	}
}
