//go:build linux

package dispatch

import (
	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/spool"
)

// maxStash bounds what one reply may have in the spool; a longer one waits for its client, and its thread with it.
const maxStash = 64 << 20

// stashed is a piece that its worker has back: the bytes are in the spool, or were never in a block.
type stashed struct {
	piece
	hold *hold // ends with this piece
}

// hold is pieces in the spool, mapped so that they are memory like any other. Only the kernel may read it, when it is
// sent: workers have the spool, too, and where one has cut it short a write fails, but a load ends the process.
type hold struct {
	extent  *spool.Extent
	mapping []byte
}

func (h *hold) release() {
	_ = unix.Munmap(h.mapping)
	h.extent.Release()
}

// Relieve is called when the client takes no more for now. While requests wait and every thread is busy, what is pending
// moves to the spool, so that the thread can go on: it may be the client of this one that keeps it.
func (e *Exchange) Relieve() {
	if q := e.port.queue; q.Unclaimed() && !q.AnyAsleep() {
		e.putAside()
	}
}

// putAside moves all that is pending out of the worker's blocks and ring. Without room in the spool everything stays.
func (e *Exchange) putAside() {
	pending := int(e.produced - e.consumed)
	size := 0
	for n := range pending {
		if p := e.inRing(n); p.block != 0 {
			size += len(p.memory)
		}
	}
	if size == 0 || e.aside+size > maxStash {
		return
	}
	h := e.hold(pending, size)
	if h == nil {
		return
	}
	left, blocks := h.mapping, uint32(0)
	for n := range pending {
		p := e.inRing(n)
		if p.block != 0 {
			e.port.segment.GivePiece(p.block - 1)
			blocks++
			*p = piece{memory: left[:len(p.memory):len(p.memory)]}
			left = left[len(p.memory):]
		}
		e.stash = append(e.stash, stashed{piece: *p})
		*p = piece{}
	}
	e.stash[len(e.stash)-1].hold = h
	e.aside += size
	e.consumed += uint32(pending)
	e.tellTaken(uint32(pending), blocks)
}

// hold writes the pending pieces that are in blocks to the spool; nil when they do not fit.
func (e *Exchange) hold(pending, size int) *hold {
	extent, err := e.port.spool.Reserve(int64(size))
	if err != nil {
		return nil
	}
	for n := 0; n < pending && err == nil; n++ {
		if p := e.inRing(n); p.block != 0 {
			err = extent.Write(p.memory)
		}
	}
	if err == nil {
		var mapping []byte
		mapping, err = unix.Mmap(int(e.port.spool.File().Fd()), extent.At(), size, unix.PROT_READ, unix.MAP_SHARED)
		if err == nil {
			return &hold{extent: extent, mapping: mapping}
		}
	}
	extent.Release()
	return nil
}

// takeFromStash drops the first n stashed pieces, or all, and returns how many they were.
func (e *Exchange) takeFromStash(n int) int {
	n = min(n, len(e.stash))
	for i := range n {
		s := &e.stash[i]
		if s.hold != nil {
			s.hold.release()
		}
	}
	if e.stash = e.stash[n:]; len(e.stash) == 0 {
		e.stash, e.aside = nil, 0
	}
	return n
}
