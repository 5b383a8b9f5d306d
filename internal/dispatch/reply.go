//go:build linux

package dispatch

import (
	"sync/atomic"

	"speyside.dev/speyside/internal/wire"
)

// Reply is the head of a reply as the worker gave it. The bytes lie in the segment.
type Reply struct {
	Status    []byte // for instance "200 OK"
	Code      int
	HasLength bool
	HasDate   bool
	HasServer bool
	NoBody    bool
	Length    int64 // the application's Content-Length
	FieldsLen int   // bytes of the first piece that are the head
}

// Reply is the reply's head; valid as soon as Pending is not 0, until Release.
func (e *Exchange) Reply() *Reply { return &e.reply }

// Done reports that the reply is complete: no piece will follow those that are pending.
func (e *Exchange) Done() bool { return e.done }

// Cut reports that the reply is complete for the worker and incomplete for the client, who must be able to see that.
func (e *Exchange) Cut() bool { return e.cut }

// Started reports that the head of the reply is known.
func (e *Exchange) Started() bool { return e.produced > 0 }

// Pending is how many pieces are published and not sent.
func (e *Exchange) Pending() int { return len(e.stash) + int(e.produced-e.consumed) }

// Piece returns the n-th pending piece. The first of a reply begins with the head, and the room before it is the front's:
// see Headroom. Nobody but the kernel may read the bytes: see hold.
func (e *Exchange) Piece(n int) []byte {
	if n < len(e.stash) {
		return e.stash[n].memory
	}
	return e.inRing(n - len(e.stash)).memory
}

// inRing is the n-th piece that its worker does not have back.
func (e *Exchange) inRing(n int) *piece { return &e.pieces[(e.consumed+uint32(n))%wire.Pieces] }

// First reports whether the first pending piece is the reply's first.
func (e *Exchange) First() bool { return !e.begun }

// Headroom is the home block from the start of the front's room to the end of piece 0; Piece(0) begins at offset Room.
func (e *Exchange) Headroom() []byte {
	home := e.port.segment.Home(e.slot)
	return home[wire.ReplyHeadroom : wire.ReplyHead+e.first]
}

// Room is how many bytes the front may write before piece 0.
const Room = wire.ReplyHead - wire.ReplyHeadroom

// Consume says that the first n pending pieces were sent.
func (e *Exchange) Consume(n int) {
	if n == 0 {
		return
	}
	e.begun = true
	if n -= e.takeFromStash(n); n > 0 {
		e.tellTaken(uint32(n), e.giveBack(uint32(n)))
	}
}

// tellTaken tells the worker that n more pieces are taken, and wakes it for the blocks that it has back.
func (e *Exchange) tellTaken(n, blocks uint32) {
	atomic.StoreUint32(&e.port.segment.Slot(e.slot).Consumed, e.consumed)
	switch {
	case !e.done:
		e.port.segment.Freed(e.worker, n)
	case blocks > 0:
		e.port.segment.Freed(e.worker, blocks)
	}
}

// giveBack frees the blocks of the first n pieces in the ring. Piece 0 is the home block, which goes with the slot, and so is
// memory that was copied out.
func (e *Exchange) giveBack(n uint32) (blocks uint32) {
	for ; n > 0; n-- {
		p := &e.pieces[e.consumed%wire.Pieces]
		if p.block != 0 {
			e.port.segment.GivePiece(p.block - 1)
			blocks++
		}
		*p = piece{}
		e.consumed++
	}
	return blocks
}

// read takes over what the worker has published. Each word is read once and checked; fine is false for what no honest
// worker writes.
func (e *Exchange) read() (news, fine bool) {
	segment := e.port.segment
	state := segment.State(e.slot)
	if state.Generation() != e.state.Generation() || state.Worker() >= segment.Workers {
		return false, false
	}
	kind := state.Kind()
	if kind != wire.StateStarted && kind != wire.StateDone {
		return false, kind == wire.StateFilled || kind == wire.StateClaimed || kind == wire.StateAbandoned
	}
	e.worker = state.Worker()
	produced := atomic.LoadUint32(&segment.Slot(e.slot).Produced)
	if produced-e.consumed > wire.Pieces || produced-e.consumed < e.produced-e.consumed {
		return false, false
	}
	if e.produced == 0 { // the worker publishes none after the head
		if news, fine = e.readHints(); !fine {
			return false, false
		}
	}
	for ; e.produced != produced; e.produced++ {
		if !e.readPiece() {
			return false, false
		}
		if e.port.tallies != nil {
			e.port.tallies[e.worker].Bytes += uint64(len(e.pieces[e.produced%wire.Pieces].memory))
		}
		news = true
	}
	if kind == wire.StateDone && !e.done {
		flags := segment.Slot(e.slot).ReplyFlags
		if flags&wire.ReplyFile != 0 && !e.fileCame() {
			return false, false
		}
		e.done, news = true, true
		e.port.served[e.worker]++
		if e.port.tallies != nil {
			e.tally(&e.port.tallies[e.worker])
		}
		e.cut = flags&wire.ReplyCut != 0
	}
	return news, true
}

func (e *Exchange) readPiece() bool {
	segment := e.port.segment
	word := atomic.LoadUint64(&segment.Slot(e.slot).Piece[e.produced%wire.Pieces])
	block, length := uint32(word>>32), uint32(word)
	p := &e.pieces[e.produced%wire.Pieces]
	if e.produced == 0 {
		return e.readHead(p, length)
	}
	memory := segment.Piece(e.worker, block, length)
	*p = piece{block: block + 1, memory: memory}
	return memory != nil
}

func (e *Exchange) readHead(p *piece, length uint32) bool {
	s := e.port.segment.Slot(e.slot)
	status, fields, code, flags := s.StatusLen, s.FieldsLen, s.StatusCode, s.ReplyFlags
	if length > wire.HomeSize-wire.ReplyHead || fields > length || status > wire.ReplyStatusMax || code < 100 || code > 999 {
		return false
	}
	home := e.port.segment.Home(e.slot)
	*p = piece{memory: home[wire.ReplyHead : wire.ReplyHead+length]}
	e.first = int(length)
	e.reply = Reply{
		Status: home[wire.ReplyStatus : wire.ReplyStatus+status], Code: int(code), FieldsLen: int(fields),
		HasLength: flags&wire.ReplyHasLength != 0, HasDate: flags&wire.ReplyHasDate != 0,
		HasServer: flags&wire.ReplyHasServer != 0, NoBody: flags&wire.ReplyNoBody != 0,
		Length: int64(min(s.ReplyLength, 1<<63-1)),
	}
	return true
}

// copyOut frees a dead worker's blocks from a finished reply that is still being sent.
func (e *Exchange) copyOut() {
	for n := range int(e.produced - e.consumed) {
		if p := e.inRing(n); p.block != 0 {
			e.copyPiece(p)
		}
	}
}
