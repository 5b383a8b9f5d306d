//go:build linux

package slot

import (
	"sync/atomic"

	"speyside.dev/speyside/internal/wire"
)

// State is the value of a slot's state word, the only truth about who has the slot (PROTOCOL.md section 2).
type State uint64

// Kind is one of wire.StateFree … wire.StateAbandoned, or a number that no honest worker writes.
func (s State) Kind() int { return int(s & 0xff) }

// Attempts counts the workers that died with this request before starting it.
func (s State) Attempts() int { return int(s >> 8 & 0xff) }

// Worker is the number of the worker that claimed the slot.
func (s State) Worker() int { return int(s >> 16 & 0xffff) }

// Generation counts the fillings of the slot.
func (s State) Generation() uint32 { return uint32(s >> 32) }

func filled(generation uint32, attempts int) State {
	return State(generation)<<32 | State(attempts&0xff)<<8
}

func (s State) after(m wire.Move) State { return s&^0xff | State(m.To()) }

// State loads the state word of slot i.
func (s *Segment) State(i uint32) State { return State(atomic.LoadUint64(&s.slots[i].State)) }

// Fill publishes a complete request as the slot's generation-th. It returns the new state.
func (s *Segment) Fill(i uint32, generation uint32) State {
	return s.store(i, wire.Fill, filled(generation, 0))
}

// Refill takes a request back from a dead worker that had claimed and not started it, and returns the new state. It
// reports false when the state is no longer old: the worker had moved on before it died.
func (s *Segment) Refill(i uint32, old State) (State, bool) {
	next := filled(old.Generation()+1, old.Attempts()+1).after(wire.Refill)
	return next, s.swap(i, wire.Refill, old, next)
}

// Withdraw takes a request out of the queue again. It reports false when a worker was faster.
func (s *Segment) Withdraw(i uint32, old State) bool {
	return s.swap(i, wire.Withdraw, old, old.after(wire.Withdraw))
}

// Abandon tells the worker that its reply is not wanted. It reports false when the worker was faster.
func (s *Segment) Abandon(i uint32, old State) bool {
	if !s.swap(i, wire.Abandon, old, old.after(wire.Abandon)) {
		return false
	}
	s.Freed(old.Worker(), 1)
	return true
}

// Settle ends a reply in place of a worker that is gone, whatever that has left in the word.
func (s *Segment) Settle(i uint32, old State) { s.store(i, wire.Settle, old) }

// filled counts the requests that nobody has claimed.
func (s *Segment) filled() int {
	n := 0
	for i := range s.slots {
		if s.State(uint32(i)).Kind() == wire.StateFilled {
			n++
		}
	}
	return n
}

// Free ends the slot's use.
func (s *Segment) Free(i uint32) { s.store(i, wire.Free, s.State(i)) }

// store makes a move that nobody can contend for, and returns the new state.
func (s *Segment) store(i uint32, m wire.Move, word State) State {
	next := word.after(m)
	atomic.StoreUint64(&s.slots[i].State, uint64(next))
	return next
}

// swap makes a move that the other side may be faster with. It begins only where the move does.
func (s *Segment) swap(i uint32, m wire.Move, old, next State) bool {
	return m.From(old.Kind()) && atomic.CompareAndSwapUint64(&s.slots[i].State, uint64(old), uint64(next))
}
