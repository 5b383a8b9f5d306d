//go:build linux

package dispatch

import (
	"sync/atomic"

	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// A generation that takes over gets the line: requests that no worker of the one before has claimed move to its segment.
// What was claimed is finished where it is.

// HandOver has who waits for a slot wait for one of next.
func (p *Port) HandOver(next *Port) {
	next.waiting = append(next.waiting, p.waiting...)
	next.queue.Outside(len(p.waiting))
	p.queue.Outside(-len(p.waiting))
	p.waiting = nil
}

// Retire says that no worker claims from this port any more. A request that comes back unclaimed is told to its receiver as
// stranded.
func (p *Port) Retire() { p.retired = true }

// Port returns the port that the exchange belongs to.
func (e *Exchange) Port() *Port { return e.port }

// Move takes a request that nobody has claimed to another port and returns its exchange there; nil when a worker has
// claimed it, or when there is no room for it there: then nothing has changed. The receiver stays the same.
func (e *Exchange) Move(to *Port, r *Request) *Exchange {
	state := e.port.segment.State(e.slot)
	if !e.active || state.Kind() != wire.StateFilled {
		return nil
	}
	next := to.Acquire()
	if next == nil {
		return nil
	}
	if !next.copyOf(e, r) {
		to.Cancel(next)
		return nil
	}
	if !e.withdrawTo(to, state) {
		to.Cancel(next)
		return nil
	}
	r.Body, e.body = e.body, nil
	receiver, attempts, queued := e.receiver, e.attempts, e.queued
	e.Release()
	next.Submit(r, receiver)
	next.attempts, next.queued = attempts, queued
	return next
}

// withdrawTo takes the request out of line, and its body to another port; or puts it in line again.
func (e *Exchange) withdrawTo(to *Port, state slot.State) bool {
	if !e.port.segment.Withdraw(e.slot, state) {
		return false
	}
	if e.body != nil && e.body.MoveTo(to) != nil {
		e.state = e.port.segment.Fill(e.slot, state.Generation()+1)
		e.port.queue.Push(e.slot)
		return false
	}
	return true
}

// copyOf writes another exchange's head, inline body and fields.
func (e *Exchange) copyOf(from *Exchange, r *Request) bool {
	segment, memory, fields := from.port.segment, from.Memory(), from.Fields()
	if from.hasLarge {
		memory, fields = segment.Large(from.large), segment.LargeFields(from.large)
	}
	return e.Place(memory[:r.HeadLen+r.InlineBody], fields[:len(r.Head.Fields)])
}

func (e *Exchange) giveLarge() {
	if e.hasLarge {
		e.port.segment.GiveLarge(e.large)
		e.hasLarge = false
	}
}

// MoveTo takes a body that no worker reads to another port, in blocks there or in the spool. After an error it is where it
// was.
func (b *Body) MoveTo(to *Port) error {
	if b.port == to {
		return nil
	}
	if len(b.chain) > 0 && !b.blocksTo(to) {
		if b.stream {
			return spool.ErrFull
		}
		if err := b.toSpool(spool.Unknown); err != nil {
			return err
		}
	}
	b.port = to
	return nil
}

// blocksTo copies the chain into blocks of another port.
func (b *Body) blocksTo(to *Port) bool {
	chain := make([]uint32, 0, cap(b.chain))
	for _, block := range b.chain {
		var ok bool
		if chain, ok = to.segment.TakeBlock(chain); !ok {
			to.segment.GiveBlocks(chain)
			return false
		}
		copy(to.segment.Block(chain[len(chain)-1]), b.port.segment.Block(block))
	}
	b.port.segment.GiveBlocks(b.chain)
	b.chain = chain
	return true
}

// resume describes what had come of a streamed body before its request moved.
func (b *Body) resume(s *wire.Slot) {
	atomic.StoreUint64(&s.Arrived, uint64(b.length))
	if b.ended {
		atomic.StoreUint32(&s.BodyEnd, wire.EndWhole)
	}
}
