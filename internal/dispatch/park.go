//go:build linux

package dispatch

import "bytes"

// maxParked bounds the memory of a port for replies that are complete and that slow clients have not taken yet.
const maxParked = 32 << 20

// park moves the rest of a complete reply out of its worker's blocks, to memory and, when that is full, to the spool. The
// worker is done with it and needs them for its next reply; without this, one client that does not read would stop every
// large reply of that worker. A reply that is not complete keeps its blocks until somebody else waits: see Relieve.
func (e *Exchange) park() {
	for n := range int(e.produced - e.consumed) {
		p := e.inRing(n)
		if p.block == 0 {
			continue
		}
		if e.port.parked+len(p.memory) > maxParked {
			e.putAside()
			return
		}
		e.copyPiece(p)
		e.port.parked += len(p.memory)
		p.parked = true
	}
}

// copyPiece frees the block of a piece that was not sent, and keeps its bytes.
func (e *Exchange) copyPiece(p *piece) {
	block := p.block - 1
	*p = piece{memory: bytes.Clone(p.memory)}
	e.port.segment.GivePiece(block)
	e.port.segment.Freed(e.worker, 1)
}
