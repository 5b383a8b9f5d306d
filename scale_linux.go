package speyside

import (
	"fmt"

	"speyside.dev/speyside/internal/fault"
)

// Scale has that many workers from now on, and returns how many there were. More start at once; who is too many finishes what it has.
// A reload keeps the number, unless the setting has changed. The error is a [fault.Error] when the server cannot have as many.
func (r *Server) Scale(workers int) (before int, err error) {
	r.scaling.Lock()
	defer r.scaling.Unlock()
	return r.scaleTo(workers)
}

// ScaleBy has so many workers more, or fewer. What came of it is logged.
func (r *Server) ScaleBy(more int) {
	r.scaling.Lock()
	defer r.scaling.Unlock()
	if _, err := r.scaleTo(r.workers() + more); err != nil {
		r.log.Warn("workers not scaled", "workers", r.workers(), "error", err, "code", fault.Of(err).Code, "hint", fault.Hint(err))
	}
}

func (r *Server) scaleTo(workers int) (before int, err error) {
	before = r.workers()
	most := mostWorkers(r.begunWith(r.settings()))
	switch {
	case r.alone.Load():
		return before, fault.New(fault.NotScaled, "the script serves in its own process, which is its only worker").
			WithHint("more serve it with --workers 2, if it keeps no state in globals.")
	case workers < 1:
		return before, fault.New(fault.NotScaled, "%d workers are none", workers).WithHint("at least one stays; speyside stop ends the server.")
	case workers > most:
		return before, fault.New(fault.NotScaled, "there is room for %d workers, not for %d", most, workers)
	case workers == before:
		return before, nil
	}
	r.log.Info("workers scaled", "workers", workers, "before", before, "by", fmt.Sprintf("%+d", workers-before))
	r.scaled.Store(int32(workers))
	r.told.Store(int32(workers))
	r.inService(func(l *load) { l.arbiter.Scaled(workers) })
	r.generations.Scale(workers)
	return before, nil
}
