//go:build linux

package dispatch

import "bytes"

// maxParked bounds the memory of a port for replies that are complete and that slow clients have not taken yet.
const maxParked = 32 << 20

// park moves the rest of a complete reply out of its worker's blocks. The worker is done with it and needs them for its next
// reply; without this, one client that does not read would stop every large reply of that worker. A reply that is
// not complete keeps its blocks: its own thread waits for its own client.
func (e *Exchange) park() {
	if !e.done {
		return
	}
	for n := range e.Pending() {
		p := &e.pieces[(e.consumed+uint32(n))%uint32(len(e.pieces))]
		if p.block == 0 || e.port.parked+len(p.memory) > maxParked {
			continue
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
