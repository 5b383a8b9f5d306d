//go:build linux

package dispatch

import (
	"sync/atomic"

	"speyside.dev/speyside/internal/wire"
)

// streamRoom is how much of a streamed body may have come and not been taken.
const streamRoom = wire.StreamBlocks * wire.BlockSize

// NewStream returns a body that is handed over while it arrives; nil when no blocks are free.
func (p *Port) NewStream() *Body {
	b := p.emptyBody()
	b.stream = true
	for range wire.StreamBlocks {
		var ok bool
		if b.chain, ok = p.segment.TakeBlock(b.chain); !ok {
			b.Release()
			return nil
		}
	}
	return b
}

// openStream describes a streamed body in the slot, before the request is published.
func (e *Exchange) openStream(s *wire.Slot, length int64) {
	for i := range s.Stream {
		s.Stream[i] = e.body.chain[i]
	}
	for _, word := range []*uint32{&s.BodyEnd, &s.BodyWaiting, &s.BodyAsk} {
		atomic.StoreUint32(word, 0)
	}
	atomic.StoreUint64(&s.Taken, 0)
	e.body.resume(s)
	s.BodyKind, s.BodyAt, s.BodyLen = wire.BodyStream, 0, uint64(max(length, 0))
}

// StreamRoom is how many bytes of a streamed body there is room for now. A worker that claims to have taken more than came
// gets no more.
func (e *Exchange) StreamRoom() int {
	taken := atomic.LoadUint64(&e.port.segment.Slot(e.slot).Taken)
	ahead := uint64(e.body.length) - taken
	if ahead > streamRoom {
		return 0
	}
	return int(streamRoom - ahead)
}

// StreamWrite hands over bytes of a streamed body. The caller has seen StreamRoom for them.
func (e *Exchange) StreamWrite(p []byte) {
	b := e.body
	for len(p) > 0 {
		block := e.port.segment.Block(b.chain[b.length/wire.BlockSize%wire.StreamBlocks])
		n := copy(block[b.length%wire.BlockSize:], p)
		b.length += int64(n)
		p = p[n:]
	}
	atomic.StoreUint64(&e.port.segment.Slot(e.slot).Arrived, uint64(b.length))
	e.ringStream()
}

// StreamLen is how many bytes of a streamed body have been handed over.
func (e *Exchange) StreamLen() int64 { return e.body.length }

// StreamEnd says that no more bytes follow: the body is whole, or the client has left before it was. The first call counts.
func (e *Exchange) StreamEnd(whole bool) {
	if e.body.ended {
		return
	}
	e.body.ended = true
	end := uint32(wire.EndLeft)
	if whole {
		end = wire.EndWhole
	}
	atomic.StoreUint32(&e.port.segment.Slot(e.slot).BodyEnd, end)
	e.ringStream()
}

func (e *Exchange) ringStream() {
	e.port.segment.RingBody(e.slot)
}

// StreamAsk has the receiver told of progress when the worker takes or waits for bytes of the body. The caller looks at
// StreamRoom and StreamWanted once more afterwards.
func (e *Exchange) StreamAsk(ask bool) {
	word := uint32(0)
	if ask {
		word = 1
	}
	atomic.StoreUint32(&e.port.segment.Slot(e.slot).BodyAsk, word)
}

// StreamWanted reports that the worker waits for bytes of the body.
func (e *Exchange) StreamWanted() bool {
	return atomic.LoadUint32(&e.port.segment.Slot(e.slot).BodyWaiting) != 0
}
