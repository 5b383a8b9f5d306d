//go:build linux

package dispatch

import (
	"sync/atomic"

	"speyside.dev/speyside/internal/wire"
)

// hints are the interim heads that a worker publishes before the head of its reply (PROTOCOL.md section 13).
type hints struct {
	block  uint32 // its number + 1; 0: there are none
	memory []byte
	came   uint32 // bytes published
	taken  uint32 // bytes that the receiver has been given
}

// readHints takes over what has been published. Its block number is read once; fine is false for what no honest worker
// writes.
func (e *Exchange) readHints() (news, fine bool) {
	s, h := e.port.segment.Slot(e.slot), &e.hints
	came := atomic.LoadUint32(&s.Hints)
	if came == h.came {
		return false, true
	}
	if came < h.came || came > wire.BlockSize {
		return false, false
	}
	if h.block == 0 {
		block := s.HintBlock
		if h.memory = e.port.segment.Piece(e.worker, block, wire.BlockSize); h.memory == nil {
			return false, false
		}
		h.block = block + 1
	}
	h.came = came
	return true, true
}

// Hints are the interim heads that came since HintsTaken, one behind the other: fields and an empty line each.
func (e *Exchange) Hints() []byte { return e.hints.memory[e.hints.taken:e.hints.came] }

// HintsTaken says that the receiver has copied them. With the head of the reply there, the worker gets its block back.
func (e *Exchange) HintsTaken() {
	e.hints.taken = e.hints.came
	if e.Started() {
		e.giveHints()
	}
}

func (e *Exchange) giveHints() {
	if e.hints.block != 0 {
		e.port.segment.GivePiece(e.hints.block - 1)
		e.port.segment.Freed(e.worker, 1)
		e.hints = hints{}
	}
}
