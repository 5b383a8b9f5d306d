package speyside

import (
	"fmt"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Scale has that many workers from now on, and returns how many there were. More start at once; who is too many finishes what it has.
// A reload keeps the number, unless the setting has changed. Where the number follows the demand, there are at least that many from now on. The error is a
// [fault.Error] when the server cannot have as many.
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
	s := r.settings()
	before = r.workers()
	least, most, demanded := r.bounds(s)
	switch room := r.mostWorkers(s); {
	case r.alone.Load():
		return before, fault.New(fault.NotScaled, "the script serves in its own process, which is its only worker").
			WithHint("more serve it with --workers 2, if it keeps no state in globals.")
	case workers < 1:
		return before, fault.New(fault.NotScaled, "%d workers are none", workers).WithHint("at least one stays; speyside stop ends the server.")
	case demanded && workers < least:
		return before, fault.New(fault.NotScaled, "%d workers are fewer than workers_min, which is %d", workers, least).WithHint(changeBounds)
	case demanded && workers > most:
		return before, fault.New(fault.NotScaled, "%d workers are more than workers_max, which is %d", workers, most).WithHint(changeBounds)
	case workers > room:
		return before, fault.New(fault.NotScaled, "there is room for %d workers, not for %d", room, workers)
	}
	r.floor.Store(int32(workers))
	r.scale(workers)
	return before, nil
}

const changeBounds = "the number of workers follows the demand between the two settings; change them and reload."

// scale has that many workers, and logs it with what there is to say.
func (r *Server) scale(workers int, fields ...any) {
	before := r.workers()
	if workers == before {
		return
	}
	r.log.Info("workers scaled", append([]any{"workers", workers, "before", before, "by", fmt.Sprintf("%+d", workers-before)}, fields...)...)
	r.scaled.Store(int32(workers))
	r.told.Store(int32(workers))
	r.inService(func(l *load) { l.arbiter.Scaled(workers) })
	r.generations.Scale(workers)
}

// rescale has the number of workers be what the settings now in use say, where they say something else than those before.
func (r *Server) rescale() {
	r.scaling.Lock()
	defer r.scaling.Unlock()
	s, before := r.settings(), r.reckonedBy
	r.reckonedBy = s
	least, most, demanded := r.bounds(s)
	leastBefore, mostBefore, demandedBefore := r.bounds(before)
	wanted, workers := r.begunWith(s), r.workers()
	if wanted != r.begunWith(before) || demandedBefore && !demanded {
		workers = wanted
	}
	if demanded {
		workers = min(max(workers, least), most)
	}
	if least != leastBefore || most != mostBefore || demanded != demandedBefore {
		r.floor.Store(int32(least))
	}
	if !r.alone.Load() {
		r.scale(workers)
	}
	select {
	case r.rebound <- struct{}{}:
	default: // it was told already
	}
}

// bounds are those between which the number of workers follows the demand, and false where it does not.
func (r *Server) bounds(s *settings.Settings) (least, most int, demanded bool) {
	return s.Apps[0].Scaled(r.begunWith(s))
}

// mostWorkers is to how many a server can be scaled.
func (r *Server) mostWorkers(s *settings.Settings) int {
	_, most, _ := r.bounds(s)
	return max(2*r.begunWith(s), 16, most)
}

// room is for how many workers a generation that is made now has room: for those that it begins with, too, whatever the settings say.
func (r *Server) room(s *settings.Settings) int { return max(r.mostWorkers(s), r.workers()) }
