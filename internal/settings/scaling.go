package settings

import "speyside.dev/speyside/internal/fault"

// Scaled reports whether the number of workers follows the demand, and between which bounds, with so many at the start.
func (a *App) Scaled(start int) (least, most int, scaled bool) {
	if a.WorkersMin+a.WorkersMax == 0 {
		return start, start, false
	}
	if least = a.WorkersMin; least == 0 {
		least = start
	}
	if most = a.WorkersMax; most == 0 {
		most = start
	}
	return least, most, true
}

// Bounded is a number of workers within the bounds that are given.
func (a *App) Bounded(workers int) int {
	workers = max(workers, a.WorkersMin)
	if a.WorkersMax > 0 {
		workers = min(workers, a.WorkersMax)
	}
	return workers
}

// boundWorkers refuses bounds that nothing lies between, and a number that somebody has chosen outside of them. One that nobody has is brought within.
func (a *App) boundWorkers(s *Settings, chosen bool) error {
	least, most := a.WorkersMin, a.WorkersMax
	if most > 0 && most < least {
		return fault.New(fault.SettingInvalid, "setting workers_max is %d (from %s): it must be at least workers_min, which is %d (from %s)", most,
			s.Source("workers_max"), least, s.Source("workers_min")).WithHint("the number of workers moves between the two as the demand does.")
	}
	bounded := a.Bounded(a.Workers)
	if bounded == a.Workers {
		return nil
	}
	name, bound, than := "workers_min", least, "less"
	if bounded < a.Workers {
		name, bound, than = "workers_max", most, "more"
	}
	if chosen {
		return fault.New(fault.SettingInvalid, "setting workers is %d (from %s): it is %s than %s, which is %d (from %s)", a.Workers, s.Source("workers"), than, name,
			bound, s.Source(name)).WithHint("with workers_min or workers_max it is how many workers there are at the start: between the two, or left out.")
	}
	a.Workers = bounded
	if a.reckoned != "" {
		a.reckoned += ", but " + name
	}
	return nil
}
