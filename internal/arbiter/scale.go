//go:build linux

package arbiter

// Scaling: another number of workers while they serve. Who is too many finishes what it has.

// Scale has that many workers from now on. With tight, those that leave count until they are gone, and renewals wait. It does not wait.
func (a *Arbiter) Scale(workers int, tight bool) {
	a.tight.Store(tight)
	a.scaled.Store(int32(workers))
	go a.post(a.rescale)
}

// workers is how many there should be, who is there for the time of a renewal not counted.
func (a *Arbiter) workers() int { return int(a.scaled.Load()) }

func (a *Arbiter) rescale() {
	if a.draining || a.zygote != nil && a.zygote.alone {
		return
	}
	for a.serving() > a.wanted() {
		w := a.dispensable()
		a.log.Info("worker dismissed", "worker", w.number, "pid", w.pid, "reason", "workers were scaled")
		if a.renewing == w {
			a.renewing = nil // its successor may be another's
		}
		a.sendAway(w)
	}
	a.fill()
	a.countReady()
	a.renewNext()
}

// serving is how many workers there are that are not about to leave, whether they are ready or not.
func (a *Arbiter) serving() int {
	n := 0
	for _, at := range a.places {
		if at.worker != nil && !at.worker.leaving() {
			n++
		}
	}
	return n
}

// dispensable is the worker to go first: one that would be renewed, one that does not serve yet, or the one that runs the fewest requests; of several the one of the
// highest number.
func (a *Arbiter) dispensable() *worker {
	var found *worker
	worth := func(w *worker) int {
		switch {
		case w.weary:
			return 0
		case !w.ready:
			return 1
		case a.options.Busy != nil:
			return 2 + a.options.Busy(w.number)
		}
		return 2
	}
	for _, at := range a.places {
		if w := at.worker; w != nil && !w.leaving() && (found == nil || worth(w) <= worth(found)) {
			found = w
		}
	}
	return found
}

// tellCounts tells how many workers there are, when that has changed.
func (a *Arbiter) tellCounts() {
	now := counts{serving: a.readyWorkers(), ending: a.draining || a.done}
	for _, at := range a.places {
		if at.worker != nil {
			now.there++
		}
	}
	if now != a.counted && a.options.Counted != nil {
		a.counted = now
		a.options.Counted(now.there, now.serving, now.ending)
	}
}

// counts is what was told.
type counts struct {
	there, serving int
	ending         bool
}
