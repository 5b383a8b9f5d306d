//go:build linux

package dispatch

import (
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// MaxInBlocks is the largest body that may be kept in blocks of the segment; what is larger goes to the spool.
const MaxInBlocks = 64 * wire.BlockSize

// Body is a request body that is too large for its slot: in blocks of the segment, or in the spool. It is filled while it
// arrives, before the request has a slot.
type Body struct {
	port   *Port
	chain  []uint32
	filled int // bytes in the last block
	extent *spool.Extent
	length int64
	stream bool // handed over while it arrives: the chain is a ring, see stream.go
	ended  bool // a streamed one: the worker knows its end
}

// NewBody returns an empty body. size is its length, or -1 when that is not known.
func (p *Port) NewBody(size int64) (*Body, error) {
	b := p.emptyBody()
	if size > int64(p.inBlocks) {
		if err := b.toSpool(size); err != nil {
			b.Release()
			return nil, err
		}
	}
	return b, nil
}

func (p *Port) emptyBody() *Body {
	n := len(p.bodies)
	if n == 0 {
		return &Body{port: p, chain: make([]uint32, 0, MaxInBlocks/wire.BlockSize)}
	}
	b := p.bodies[n-1]
	p.bodies = p.bodies[:n-1]
	return b
}

// Len is how many bytes have been written.
func (b *Body) Len() int64 { return b.length }

// Room returns memory to read the next bytes into, and the caller commits what it read; empty when the body is in the spool,
// or no block is free.
func (b *Body) Room() []byte {
	if b.extent != nil {
		return nil
	}
	if len(b.chain) == 0 || b.filled == wire.BlockSize {
		if !b.grow() {
			return nil
		}
	}
	return b.port.segment.Block(b.chain[len(b.chain)-1])[b.filled:]
}

func (b *Body) grow() (ok bool) {
	if len(b.chain)*wire.BlockSize >= b.port.inBlocks {
		return false
	}
	if b.chain, ok = b.port.segment.TakeBlock(b.chain); ok {
		b.filled = 0
	}
	return ok
}

// Commit says that n bytes were written to Room.
func (b *Body) Commit(n int) {
	b.filled += n
	b.length += int64(n)
}

// roomsAtOnce is how many blocks are taken ahead for one read.
const roomsAtOnce = 4

// Rooms appends memory to read the next bytes into, up to most of them, and the caller fills what it read of it, be it nothing;
// no memory when the body is in the spool, or no block is free.
func (b *Body) Rooms(runs [][]byte, most int64) [][]byte {
	for range roomsAtOnce {
		room := b.Room()
		if len(room) == 0 || most == 0 {
			break
		}
		room = room[:min(int64(len(room)), most)]
		most -= int64(len(room))
		runs = append(runs, room)
		b.filled += len(room)
	}
	return runs
}

// Fill says that n bytes were written to Rooms, and gives the blocks back that were not needed.
func (b *Body) Fill(n int) {
	b.length += int64(n)
	used := int((b.length + wire.BlockSize - 1) / wire.BlockSize)
	if used < len(b.chain) {
		b.chain = b.port.segment.TrimBlocks(b.chain, used)
	}
	b.filled = int(b.length) - max(used-1, 0)*wire.BlockSize
}

// Write appends p. It fails when the spool is full.
func (b *Body) Write(p []byte) error {
	for len(p) > 0 && b.extent == nil {
		room := b.Room()
		if len(room) == 0 {
			if err := b.toSpool(spool.Unknown); err != nil {
				return err
			}
			break
		}
		n := copy(room, p)
		b.Commit(n)
		p = p[n:]
	}
	if len(p) == 0 {
		return nil
	}
	b.length += int64(len(p))
	return b.extent.Write(p)
}

// toSpool moves the body to the spool: what is in blocks already, and all that follows.
func (b *Body) toSpool(size int64) error {
	extent, err := b.port.spool.Reserve(size)
	if err != nil {
		return err
	}
	b.extent = extent
	for i, block := range b.chain {
		memory := b.port.segment.Block(block)
		if i == len(b.chain)-1 {
			memory = memory[:b.filled]
		}
		if err := extent.Write(memory); err != nil {
			return err
		}
	}
	b.giveBlocks()
	return nil
}

func (b *Body) giveBlocks() {
	b.port.segment.GiveBlocks(b.chain)
	b.chain, b.filled = b.chain[:0], 0
}

// place says where the workers find the body.
func (b *Body) place() (kind uint32, at, length uint64) {
	switch {
	case b.extent != nil:
		return wire.BodySpool, uint64(b.extent.At()), uint64(b.length)
	case b.length > 0:
		return wire.BodyBlocks, uint64(b.chain[0]), uint64(b.length)
	default:
		return wire.BodyNone, 0, 0
	}
}

// Release gives the memory back. The body must not be used afterwards.
func (b *Body) Release() {
	b.giveBlocks()
	if b.extent != nil {
		b.extent.Release()
		b.extent = nil
	}
	b.length, b.stream, b.ended = 0, false, false
	b.port.bodies = append(b.port.bodies, b)
}
