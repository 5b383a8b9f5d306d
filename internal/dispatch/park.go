//go:build linux

package dispatch

import "bytes"

// A complete reply that its client does not take holds a slot, and blocks that its worker needs for the next one: after a while
// its connection parks it. For one that is not complete see Relieve.

const (
	parkAfter  = 10      // scans, while nobody needs what it holds
	parkNeeded = 2       // when its worker waits for room, or no slot is free: by then it is the client that is slow
	maxParked  = 1 << 20 // bytes that are parked at once; what is left of a longer reply stays in the stash
)

// outstayed reports at a scan that a complete reply has been there for too long.
func (e *Exchange) outstayed() bool {
	e.scans++
	return e.scans >= parkAfter || e.scans >= parkNeeded && (len(e.port.free) == 0 || e.port.segment.Waits(e.worker))
}

// park has the receiver keep what is left of a complete reply, and frees the blocks of what it leaves.
func (e *Exchange) park() {
	if e.aside <= maxParked {
		e.receiver.Park(e)
	}
	if e.active {
		e.putAside()
	}
}

// copyPiece frees the block of a piece that was not sent, and keeps its bytes.
func (e *Exchange) copyPiece(p *piece) {
	block := p.block - 1
	*p = piece{memory: bytes.Clone(p.memory)}
	e.port.segment.GivePiece(block)
	e.port.segment.Freed(e.worker, 1)
}
