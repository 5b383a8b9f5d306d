//go:build linux

package slot

import "sync/atomic"

// NextBlock is what the block table has for a block: the number of the next one + 1, 0 at the end.
func (s *Segment) NextBlock(b uint32) uint32 { return atomic.LoadUint32(&s.blocks[b]) }
