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
	return State(generation)<<32 | State(attempts&0xff)<<8 | wire.StateFilled
}

func (s State) with(kind int) State { return s&^0xff | State(kind) }

// State loads the state word of slot i.
func (s *Segment) State(i uint32) State { return State(atomic.LoadUint64(&s.slots[i].State)) }

// Fill publishes a complete request as the slot's generation-th: free → filled. It returns the new state.
func (s *Segment) Fill(i uint32, generation uint32) State {
	next := filled(generation, 0)
	atomic.StoreUint64(&s.slots[i].State, uint64(next))
	return next
}

// Refill takes a request back from a dead worker that had claimed and not started it, and returns the new state. It
// reports false when the state is no longer old: the worker had moved on before it died.
func (s *Segment) Refill(i uint32, old State) (State, bool) {
	next := filled(old.Generation()+1, old.Attempts()+1)
	return next, s.swap(i, old, next)
}

// Withdraw takes a request out of the queue again: filled → free. It reports false when a worker was faster.
func (s *Segment) Withdraw(i uint32, old State) bool { return s.swap(i, old, old.with(wire.StateFree)) }

// Abandon tells the worker that its reply is not wanted: started → abandoned. It reports false when the worker was
// faster.
func (s *Segment) Abandon(i uint32, old State) bool {
	if !s.swap(i, old, old.with(wire.StateAbandoned)) {
		return false
	}
	s.Freed(old.Worker(), 1)
	return true
}

// Settle ends a reply in place of a worker that is gone: any state → done.
func (s *Segment) Settle(i uint32, old State) {
	atomic.StoreUint64(&s.slots[i].State, uint64(old.with(wire.StateDone)))
}

// Free ends the slot's use: done → free.
func (s *Segment) Free(i uint32) {
	atomic.StoreUint64(&s.slots[i].State, uint64(s.State(i).with(wire.StateFree)))
}

func (s *Segment) swap(i uint32, old, next State) bool {
	return atomic.CompareAndSwapUint64(&s.slots[i].State, uint64(old), uint64(next))
}
