// Package model searches every state that a front and two workers can get into, over the same table of moves as internal/slot and ext/slot.c.
//
// [Search] explores a [Config] and returns what it found: a [Finding] has the steps that led there. Its steps are those of
// internal/dispatch and ext/slot.c, one load, one swap, one store at a time; a worker may die, stop, or wake late between any two. What the
// front does on one loop is one after the other, but workers move between its loading of a word and its acting upon it.
// It knows neither bytes nor bells: what a request and its reply say is whose they are.
package model

import "speyside.dev/speyside/internal/wire"

// Rules are what keeps every request answered once, besides the table of moves. A search without one of them finds out why it is there.
type Rules struct {
	CountFillings  bool // each filling of a slot has a generation of its own
	KeepQuarantine bool // an abandoned slot is not used before its worker gave it back, or is reaped
	FindLost       bool // the scan pushes what is filled and in no window
	TakeBack       bool // the scan takes back what was claimed for too long
	EndOverdue     bool // a worker that does not come back from what is not wanted is killed
	SettleDead     bool // the slots that a dead worker had are settled
	NumberLast     bool // a number goes to another process when the slots of the dead one are settled, not before
	StartFirst     bool // a worker writes into a slot when it has started, not before
	MoveOn         bool // the scan moves what nobody claimed of a retired generation
}

// AllRules are those that hold.
func AllRules() Rules { return Rules{true, true, true, true, true, true, true, true, true} }

// Config says how much there is of everything, and so how large the search.
type Config struct {
	Moves    []wire.Arrow
	Rules    Rules
	Slots    int  // 1 or 2
	Requests int  // up to 3
	Reload   bool // a slot and a worker are of the next generation; else both of one
	Threads  bool // the two workers are threads of one, and nobody dies or stops

	Deaths, Stops, Leaves uint8 // how often a worker dies, or stops, and a client leaves
	Takes, Lates          uint8 // how often a worker that moves is taken for one that does not: before the start, and after
}

const (
	most    = 2 // slots and workers
	lines   = 3 // requests
	entries = 4 // of a window
	nobody  = 0xff
)

// word is a slot's state word. Attempts in it are for information, and left out.
type word struct{ kind, worker, filling uint8 }

// slotState is a slot in the segment: its word, and what lies in its memory.
type slotState struct {
	word    word
	request uint8 // described by the front
	reply   uint8 // whose reply a worker has written
}

// exchange is what the front knows of a slot.
type exchange struct {
	active, receiver, lost, overdue bool
	request, filling, attempts      uint8
}

// place is where a worker's thread is.
type place uint8

const (
	idle    place = iota
	taken         // it has a number from the window
	seen          // and has loaded that slot's word
	claimed       // and swapped it
	built         // the environ
	running       // the application
	written       // its reply
	refused       // its reply is not wanted
)

type worker struct {
	at                    place
	slot, request         uint8
	word                  word
	dead, stopped, doomed bool // doomed: to be reaped, though a new process has its number
}

type request struct {
	came, left        bool
	started, answered uint8
}

type window struct {
	entry [entries]uint8
	count uint8
	lined [most]bool // in Go memory, for want of room
}

// job is what the front is at: the word it has loaded, which it acts upon next.
type job struct {
	does   deed
	slot   uint8
	worker uint8
	word   word
}

type deed uint8

const (
	nothing deed = iota
	filling
	looking
	takingBack
	ending
	reaping
	moving
)

// state is all of it, and comparable.
type state struct {
	slots     [most]slotState
	exchanges [most]exchange
	workers   [most]worker
	requests  [lines]request
	windows   [most]window
	job       job
	current   uint8
	retired   bool
	left      budget
}

// budget is how many faults may still come.
type budget struct{ deaths, stops, leaves, takes, lates uint8 }

// step is a state that can follow, and what happened.
type step struct {
	name     string
	to       state
	progress bool   // it happens some day without any fault
	wrong    string // a promise that it breaks
}

// generation is the one that a slot or a worker is of.
func (c *Config) generation(i int) uint8 {
	if c.Reload {
		return uint8(i)
	}
	return 0
}

// workerNumber is the number that a worker claims with.
func (c *Config) workerNumber(i int) uint8 {
	if c.Threads {
		return 0
	}
	return uint8(i)
}

func (c *Config) first() state {
	s := state{left: budget{c.Deaths, c.Stops, c.Leaves, c.Takes, c.Lates}}
	for i := range s.slots {
		s.slots[i] = slotState{request: nobody, reply: nobody}
	}
	return s
}

// over reports that every request was answered once, or its client left, and that every slot is free.
func (c *Config) over(s *state) bool {
	for _, r := range s.requests[:c.Requests] {
		if !r.came || !r.left && r.answered != 1 {
			return false
		}
	}
	for i := range s.exchanges[:c.Slots] {
		if s.exchanges[i].active || int(s.slots[i].word.kind) != wire.StateFree {
			return false
		}
	}
	return s.job.does == nothing
}

// move makes a move of the table: as a swap it fails when the word is no longer expect.
func (c *Config) move(s *state, m wire.Move, slot uint8, expect, next word) (ok bool, wrong string) {
	arrow, have := &c.Moves[m], &s.slots[slot].word
	if arrow.How == wire.Swap && *have != expect {
		return false, ""
	}
	if !m.From(int(have.kind)) && arrow.How == wire.Swap {
		return false, arrow.Name + " from a state that it does not begin at"
	}
	next.kind = uint8(arrow.To)
	*have = next
	return true, ""
}

func (w *window) push(slot uint8) {
	if int(w.count) == len(w.entry) {
		w.lined[slot] = true
		return
	}
	w.entry[w.count] = slot
	w.count++
}

func (w *window) pop() uint8 {
	slot := w.entry[0]
	copy(w.entry[:], w.entry[1:])
	w.count--
	w.entry[w.count] = 0
	for i := range w.lined {
		if w.lined[i] && int(w.count) < len(w.entry) {
			w.lined[i] = false
			w.push(uint8(i))
		}
	}
	return slot
}

func (w *window) holds(slot uint8) bool {
	for _, entry := range w.entry[:w.count] {
		if entry == slot {
			return true
		}
	}
	return w.lined[slot]
}
