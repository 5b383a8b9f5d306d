package generation

import (
	"slices"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// State is what a generation is about.
type State string

// The states of a generation, in the order in which one goes through them.
const (
	Loading    State = "loading"     // the application is imported, or its workers are not all ready yet
	InService  State = "in service"  // it takes the requests
	StandingBy State = "standing by" // it has given over the line, and would take it back
	Draining   State = "draining"    // it finishes what it has started
)

// Outcome is what became of a reload.
type Outcome struct {
	Generation int       // that it started; 0 when there was no reload
	At         time.Time // when that was known
	Error      string    // empty when it took over
	Code       string    // of the fault, if it has one
	Hint       string    // what to do about it
	Traceback  string    // of the application, if it raised
}

// Snapshot is one generation at an instant.
type Snapshot struct {
	Number int
	State  State
	Begun  time.Time
	Load   Load
}

// waiter wants to know what became of a reload.
type waiter struct {
	number int // of the generation that the reload begins
	told   chan Outcome
}

// Snapshots are the generations that there are, oldest first.
func (s *Succession) Snapshots() []Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Snapshot, 0, len(s.all))
	for _, g := range s.all {
		all = append(all, Snapshot{Number: g.number, State: s.state(g), Begun: g.begun, Load: g.Load})
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return a.Number - b.Number })
	return all
}

func (s *Succession) state(g *generation) State {
	switch {
	case g.retired || g.failed:
		return Draining
	case g == s.current && g.ready:
		return InService
	case g == s.standby:
		return StandingBy
	}
	return Loading
}

// LastReload is what became of the last reload.
func (s *Succession) LastReload() Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcome
}

// AwaitReload reloads, and tells what became of it: at once when it failed, and when it took over after its first seconds, in
// which it may still give the line back. A reload that is not begun because the server stops fails.
func (s *Succession) AwaitReload() <-chan Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := waiter{number: max(s.last, first) + 1, told: make(chan Outcome, 1)}
	s.waiters = append(s.waiters, w)
	s.reloadSoon()
	if s.over {
		s.tellAll(stopped)
	}
	return w.told
}

func stopped(number int) Outcome {
	return Outcome{Generation: number, At: time.Now(), Error: "the server stops", Code: fault.ReloadFailed.Code}
}

// tell answers those who wait for this generation.
func (s *Succession) tell(number int, outcome Outcome) {
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		if w.number == number {
			w.told <- outcome
		}
		return w.number == number
	})
}

// tellAll answers everybody who waits.
func (s *Succession) tellAll(outcome func(number int) Outcome) {
	for _, w := range s.waiters {
		w.told <- outcome(w.number)
	}
	s.waiters = nil
}

// Traceback notes what an application raised while it loaded.
func (s *Succession) Traceback(number int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.all[number]; g != nil {
		g.traceback = text
	}
}
