//go:build linux

package loop

import (
	"time"
)

const (
	// longestStay is how long a loop without events stays awake for what its idler expects. To be woken costs the waker a system
	// call and both a change of context, together about as much as that.
	longestStay = 40 * time.Microsecond
	mostInVain  = 8 // 255 sleeps without a stay
)

// staying decides whether the loop stays awake for a moment before it sleeps. Where that was in vain, it is left out once, then
// three times, seven times and so on: applications that take long cost next to nothing.
type staying struct {
	useful bool // there is another processor, on which the work can be done meanwhile
	inVain int  // in a row
	left   int  // sleeps before the next one
	last   bool // the last wait was one and brought work, so the next one looks at the descriptors
}

// due reports that this wait may begin with one.
func (s *staying) due() bool {
	switch {
	case s.last:
		s.last = false
	case !s.useful:
	case s.left > 0:
		s.left--
	default:
		return true
	}
	return false
}

// learn takes what came of one.
func (s *staying) learn(brought bool) {
	s.last = brought
	if brought {
		s.inVain = 0
		return
	}
	s.inVain = min(s.inVain+1, mostInVain)
	s.left = 1<<s.inVain - 1
}

// stay waits awake for the idler's work, and reports that it has come. It does not yield: the kernel holds it against who yields often.
func (l *Loop) stay() bool {
	if !l.staying.last && l.idler.Expecting() && l.idler.Rung() {
		l.staying.last = true // a worker has run in our place, and is done
		return true
	}
	if !l.staying.due() || !l.idler.Expecting() {
		return false
	}
	for until := l.Clock.now() + int64(longestStay); ; {
		rung := l.idler.Rung()
		if rung || l.Clock.now() >= until {
			l.staying.learn(rung)
			return rung
		}
	}
}
