package generation

// How many workers each generation has. Where memory is short a reload may not have two full generations at once: the new one
// begins with Options.Overlap workers, takes the line with those, and grows as the old one's leave.

// limited reports that there may be fewer workers than two generations have.
func (s *Succession) limited() bool { return s.options.Overlap < s.workers }

// Counted says how many workers a generation has, how many of them serve, and whether it is about to end and starts none any more.
func (s *Succession) Counted(number, there, serving int, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.all[number]; g != nil {
		g.there, g.serving, g.ending = there, serving, ending
		s.share()
	}
}

// share gives each generation its number of workers.
func (s *Succession) share() {
	switch {
	case s.over: // they only end
	case s.limited():
		s.shareLimited()
	default:
		for _, g := range s.all {
			workers := s.workers
			if g == s.standby { // it grows when it gets the line back: in a moment it may have to leave
				workers = min(workers, g.target)
			}
			s.give(g, workers, false)
		}
	}
}

// shareLimited keeps the workers of all generations below the limit: who takes over gets the places that the others have left.
func (s *Succession) shareLimited() {
	if s.current == nil {
		return
	}
	tight := len(s.all) > 1
	if old := s.standby; old != nil { // it keeps what it began a reload with, to be there at once when it gets the line back
		s.give(old, min(old.target, max(s.options.Overlap, s.workers-s.current.serving)), tight)
	}
	s.give(s.current, min(s.workers, max(s.current.target, s.room(s.current))), tight)
	if g := s.loading; g != nil {
		if s.room(g) >= s.options.Overlap {
			s.give(g, s.options.Overlap, tight)
		} else if g.there == 0 { // others drain still
			s.give(g, 0, tight)
		}
	}
}

// room is how many workers a generation may have beside those that the others have, or may have.
func (s *Succession) room(of *generation) int {
	room := s.workers + s.options.Overlap
	for _, g := range s.all {
		switch {
		case g == of:
		case g.ending:
			room -= g.there
		default:
			room -= max(g.there, g.target)
		}
	}
	return room
}

func (s *Succession) give(g *generation, workers int, tight bool) {
	if g.retired || g.failed || g.target == workers && g.tight == tight {
		return
	}
	g.target, g.tight = workers, tight
	g.Scale(workers, tight)
}
