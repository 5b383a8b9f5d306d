// Package demand decides how many workers there should be: one more when requests wait although every thread is busy, one fewer
// after a calm time in which fewer would have done.
//
// Callers need [Scaler] and its Look. The package observes nothing, starts nothing and knows no clock: what there is to see it is
// given, and what it says somebody else does.
package demand

import (
	"fmt"
	"time"
)

const (
	// LookEvery is how often somebody should look.
	LookEvery = 250 * time.Millisecond
	// Crowded is how long a request has waited, while no thread is free, when one more worker is wanted.
	Crowded = 100 * time.Millisecond
	// longestCalm bounds how much longer a calm time has to be where it has proved deceptive, in calm times.
	longestCalm = 16
	// refusedFor is how long a worker for which there was no memory is not asked for again.
	refusedFor = 5 * time.Second
)

// Bounds are what the number of workers keeps to.
type Bounds struct {
	Least, Most int
	Calm        time.Duration // how long fewer would have done before one leaves
}

// Observation is what there is at an instant.
type Observation struct {
	Workers int           // that there should be
	Ready   int           // that serve, without those that are about to leave
	Threads int           // of each worker
	Busy    int           // threads that have a request
	Free    bool          // a thread sleeps, and would take a request that came now
	Waited  time.Duration // how long the oldest request has waited that no thread has begun; 0: none waits
}

// Room is how much memory there is, in bytes.
type Room struct {
	Worker int64 // that a further worker would take
	Left   int64
	Of     string // whose it is; empty: nothing limits it
}

// Step is what should be done.
type Step struct {
	By     int    // 1: one more, -1: one fewer, 0: nothing
	Reason string // of a change
	// Refused is set once when one more is wanted and does not fit, until one has fitted.
	Refused *Room
}

// Scaler is what has been seen so far. The zero value has seen nothing.
type Scaler struct {
	since   time.Time // when the calm began; zero: it has not
	peak    int       // threads that were busy at once since then
	left    time.Time // when the last worker left that none has followed; zero: there is none
	times   int       // how many calm times one takes; 0 is 1
	refused time.Time // when there was no memory for another worker
	told    bool      // it was said
}

// Look says what should be done. It asks for the room only when one more worker is wanted.
func (s *Scaler) Look(now time.Time, o Observation, b Bounds, room func() Room) Step {
	switch {
	case o.Ready < o.Workers: // one is on its way, or does not live: neither tells what more would do
		s.stir()
		return Step{}
	case o.Waited >= Crowded && !o.Free:
		s.stir()
		return s.more(now, o, b, room)
	}
	return s.fewer(now, o, b)
}

// more is for a look at which requests wait and no thread is free.
func (s *Scaler) more(now time.Time, o Observation, b Bounds, room func() Room) Step {
	if o.Workers >= b.Most || !s.refused.IsZero() && now.Sub(s.refused) < refusedFor {
		return Step{}
	}
	if r := room(); r.Of != "" && r.Worker > r.Left {
		s.refused = now
		if s.told {
			return Step{}
		}
		s.told = true
		return Step{Refused: &r}
	}
	s.refused, s.told = time.Time{}, false
	s.regret(now, b)
	return Step{By: 1, Reason: fmt.Sprintf("a request has waited %v, and no thread is free", o.Waited.Round(time.Millisecond))}
}

// fewer is for all others.
func (s *Scaler) fewer(now time.Time, o Observation, b Bounds) Step {
	fits := (o.Workers - 1) * o.Threads // what one fewer can run
	if s.peak = max(s.peak, o.Busy); s.peak > fits || o.Waited >= Crowded || o.Workers <= b.Least {
		s.stir()
		return Step{}
	}
	if s.since.IsZero() {
		s.since = now
	}
	if now.Sub(s.since) < s.calm(b) {
		return Step{}
	}
	reason := fmt.Sprintf("at most %d of %d threads were busy for %v", s.peak, o.Workers*o.Threads, now.Sub(s.since).Round(time.Millisecond))
	if !s.left.IsZero() { // nobody has missed the one before
		s.times = 1
	}
	s.left = now
	s.stir()
	return Step{By: -1, Reason: reason}
}

// stir ends the calm.
func (s *Scaler) stir() { s.since, s.peak = time.Time{}, 0 }

// calm is how long the calm must last now.
func (s *Scaler) calm(b Bounds) time.Duration { return b.Calm * time.Duration(max(1, s.times)) }

// regret notes that a worker comes. Where one had left shortly before, that was a mistake, and the next one stays for twice as
// long: what is at the border of two numbers does not go to and fro.
func (s *Scaler) regret(now time.Time, b Bounds) {
	switch {
	case s.left.IsZero():
	case now.Sub(s.left) < s.calm(b):
		s.times = min(2*max(1, s.times), longestCalm)
	default:
		s.times = 1
	}
	s.left = time.Time{}
}
