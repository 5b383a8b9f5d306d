//go:build linux

package slot

import (
	"math"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FUTEX_WAKE without FUTEX_PRIVATE_FLAG: the words are shared between processes.
const futexWake = 1

// wake wakes up to n waiters of a futex word and returns how many there were. It never blocks, so the scheduler need not know.
func wake(word *uint32, n int) int {
	woken, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(woken)
}

// ring wakes n sleeping threads, of the least busy workers first. Only what FUTEX_WAKE says counts: a thread that was killed
// asleep leaves its word at 1, and ringing it wakes nobody, so another is rung in its stead. It ends when nothing is left to
// claim: on a shared CPU, whom we ring may have served everything and sleep again before we go on.
func (q *Queue) ring(n int) {
	s := q.segment
	for range n + s.Workers*s.Threads {
		if n == 0 || !q.Unclaimed() {
			return
		}
		word := s.sleeper()
		if word == nil {
			return
		}
		if atomic.CompareAndSwapUint32(word, 1, 0) && wake(word, 1) > 0 {
			n--
		}
	}
}

// sleeper finds a sleeping thread of the worker that runs the fewest requests.
func (s *Segment) sleeper() *uint32 {
	var found *uint32
	least := uint32(math.MaxUint32)
	for w := range int(s.used.Load()) {
		if busy := atomic.LoadUint32(&s.worker(w).Busy); busy < least {
			if word := s.asleep(w); word != nil {
				found, least = word, busy
			}
		}
	}
	return found
}

func (s *Segment) asleep(w int) *uint32 {
	words := s.sleepWords(w)
	for i := range words {
		if atomic.LoadUint32(&words[i]) == 1 {
			return &words[i]
		}
	}
	return nil
}

func (s *Segment) anyAsleep() bool {
	for w := range int(s.used.Load()) {
		if s.asleep(w) != nil {
			return true
		}
	}
	return false
}

// Freed tells worker w that n pieces or blocks came back, and wakes its threads that wait for room.
func (s *Segment) Freed(w int, n uint32) {
	if w >= s.Workers {
		return // the number came from a state word that no honest worker wrote
	}
	worker := s.worker(w)
	atomic.AddUint32(&worker.Freed, n)
	if atomic.LoadUint32(&worker.Waiting) != 0 {
		wake(&worker.Freed, math.MaxInt32)
	}
}

// RingBody tells the worker of slot i that its streamed body has more bytes, or an end.
func (s *Segment) RingBody(i uint32) {
	slot := &s.slots[i]
	atomic.AddUint32(&slot.BodyBell, 1)
	if atomic.LoadUint32(&slot.BodyWaiting) != 0 {
		wake(&slot.BodyBell, math.MaxInt32)
	}
}

// Sleep marks port p's loop as about to block. It reports false, and leaves the mark off, when a reply has come meanwhile.
func (s *Segment) Sleep(p int) bool {
	port := &s.ports[p]
	atomic.StoreUint32(&port.Sleeping, 1)
	if !s.Rung(p) {
		return true
	}
	atomic.StoreUint32(&port.Sleeping, 0)
	return false
}

// Awake takes the mark back.
func (s *Segment) Awake(p int) { atomic.StoreUint32(&s.ports[p].Sleeping, 0) }

// Rung reports that some slot of port p wants to be looked at.
func (s *Segment) Rung(p int) bool {
	done := s.ports[p].Done[:s.doneWords()]
	for i := range done {
		if atomic.LoadUint64(&done[i]) != 0 {
			return true
		}
	}
	return false
}

// TakeDone takes the bits of the i-th group of 64 slots of port p.
func (s *Segment) TakeDone(p, i int) uint64 {
	word := &s.ports[p].Done[i]
	if atomic.LoadUint64(word) == 0 {
		return 0
	}
	return atomic.SwapUint64(word, 0)
}

func (s *Segment) doneWords() int { return s.Slots / s.Ports / 64 }
