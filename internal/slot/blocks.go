//go:build linux

package slot

import (
	"sync"
	"sync/atomic"

	"speyside.dev/speyside/internal/wire"
)

// pool hands out numbers of blocks that only the front allocates. Heads and bodies too large for a home block are rare,
// so one lock for all loops is enough.
type pool struct {
	mu   sync.Mutex
	free []uint32
}

func (p *pool) init(first uint32, count int) {
	p.free = make([]uint32, 0, count)
	for i := count - 1; i >= 0; i-- {
		p.free = append(p.free, first+uint32(i))
	}
}

func (p *pool) take() (uint32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return 0, false
	}
	number := p.free[n-1]
	p.free = p.free[:n-1]
	return number, true
}

func (p *pool) give(numbers ...uint32) {
	p.mu.Lock()
	p.free = append(p.free, numbers...)
	p.mu.Unlock()
}

// TakeBlock gives a block for a request body and appends it to the chain; false when none is free. The links that the
// workers follow lie in the segment, the chain itself is the caller's memory.
func (s *Segment) TakeBlock(chain []uint32) ([]uint32, bool) {
	b, ok := s.bodies.take()
	if !ok {
		return chain, false
	}
	atomic.StoreUint32(&s.blocks[b], 0)
	if n := len(chain); n > 0 {
		atomic.StoreUint32(&s.blocks[chain[n-1]], b+1)
	}
	return append(chain, b), true
}

// TrimBlocks takes back what follows the first n blocks of a chain.
func (s *Segment) TrimBlocks(chain []uint32, n int) []uint32 {
	s.bodies.give(chain[n:]...)
	if n > 0 {
		atomic.StoreUint32(&s.blocks[chain[n-1]], 0)
	}
	return chain[:n]
}

// GiveBlocks takes a chain back.
func (s *Segment) GiveBlocks(chain []uint32) { s.bodies.give(chain...) }

// TakeLarge gives a large block; false when none is free.
func (s *Segment) TakeLarge() (uint32, bool) { return s.large.take() }

// GiveLarge takes a large block back.
func (s *Segment) GiveLarge(number uint32) { s.large.give(number) }

// Large returns the memory of a large block after its field table.
func (s *Segment) Large(number uint32) []byte {
	from := s.largeAt(number)
	return s.memory[from+wire.LargeHead : from+wire.LargeSize : from+wire.LargeSize]
}

// LargeHeadAt is the segment offset of that memory.
func (s *Segment) LargeHeadAt(number uint32) uint32 {
	return uint32(s.largeAt(number)) + wire.LargeHead
}

// LargeFields returns the empty field table of a large block.
func (s *Segment) LargeFields(number uint32) []wire.Field {
	return table[wire.Field](s, s.largeAt(number), wire.LargeFields)[:0]
}

// LargeFieldsAt is the segment offset of that table.
func (s *Segment) LargeFieldsAt(number uint32) uint32 { return uint32(s.largeAt(number)) }

func (s *Segment) largeAt(number uint32) uint64 {
	return s.header.LargeAt + uint64(number)*wire.LargeSize
}

// Piece returns the memory of a block that worker w published, or nil when it is not one of that worker's or the length is
// not a block's.
func (s *Segment) Piece(w int, block, length uint32) []byte {
	from := uint32(w) * s.header.WorkerBlocks
	if w >= s.Workers || block < from || block >= from+s.header.WorkerBlocks || length > wire.BlockSize {
		return nil
	}
	return s.Block(block)[:length]
}

// Waits reports whether a thread of worker w waits for room. A worker may say so at any time.
func (s *Segment) Waits(w int) bool { return atomic.LoadUint32(&s.worker(w).Waiting) != 0 }

// GivePiece frees a block that [Segment.Piece] accepted. The caller calls [Segment.Freed] once for all it gives.
func (s *Segment) GivePiece(block uint32) { atomic.StoreUint32(&s.blocks[block], 0) }
