//go:build linux

package dispatch

import (
	"sync/atomic"
	"time"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/wire"
)

// Exchange is one request with the workers and its reply. It is tied to a slot and used again and again.
type Exchange struct {
	port     *Port
	slot     uint32
	active   bool // submitted and not released
	lost     bool // filled and out of line at the last scan
	scans    int  // that have seen it complete and not taken by the client
	receiver Receiver

	id      uint64
	queued  int64         // when it was put in line
	timeout time.Duration // of the application; 0 for none
	since   int64         // when its time began anew; 0 until the scan has seen it started
	seen    uint32        // pieces at that time
	claimed int           // scans that found it claimed and not started
	limited limited       // by the application itself
	overdue bool          // answered in the application's place, which still runs
	was     label         // once the receiver has left

	state    slot.State // as the front set it last; the generation is what counts
	attempts int        // the front's own count
	body     *Body
	large    uint32
	hasLarge bool

	reply    Reply
	worker   int    // who replies
	produced uint32 // pieces published
	consumed uint32 // pieces that the worker has back
	begun    bool   // a piece was sent
	first    int    // length of the first piece
	stash    []stashed
	aside    int // bytes of the stash that are in the spool
	done     bool
	cut      bool
	pieces   [wire.Pieces]piece
	hints    hints
	file     *File // follows the pieces
	fileLost bool  // its descriptor could not be received
}

// piece is a published run of bytes: of the worker's block, or copied out of it when the worker died.
type piece struct {
	block  uint32 // its number + 1; 0 for other memory
	memory []byte
}

// Request is what a protocol knows of a complete request besides the bytes themselves.
type Request struct {
	Head       *wire.Head
	HeadLen    int
	InlineBody int // bytes of the body that follow the head in the slot's memory
	HasBody    bool
	Body       *Body // a body kept elsewhere; nil for none or inline
	ID         uint64
	Listener   uint16
	HTTPS      bool
	ClientLeft bool   // the client has ended its side already
	RemoteAddr []byte // text, empty on a Unix socket
	RemotePort []byte
	Origin     *wire.Origin  // what a proxy says of where the request came from; nil: nothing
	Timeout    time.Duration // for the application to start its reply, and from block to block; 0 for any
}

// Memory is where the request's head, followed by a small body, is written. It is large enough for most.
func (e *Exchange) Memory() []byte { return e.port.segment.Home(e.slot)[wire.HomeHead:] }

// Fields is the empty field table beside that memory.
func (e *Exchange) Fields() []wire.Field { return e.port.segment.HomeFields(e.slot) }

// Place copies a head that was gathered elsewhere, with the inline body after it, and its fields into the slot. It reports
// false when no memory is free for a head of that size.
func (e *Exchange) Place(bytes []byte, fields []wire.Field) bool {
	segment := e.port.segment
	if len(bytes) <= len(e.Memory()) && len(fields) <= wire.HomeFields {
		copy(e.Memory(), bytes)
		_ = append(e.Fields(), fields...)
		return true
	}
	number, ok := segment.TakeLarge()
	if !ok {
		return false
	}
	e.large, e.hasLarge = number, true
	copy(segment.Large(number), bytes)
	_ = append(segment.LargeFields(number), fields...)
	return true
}

// Submit puts the request in line. The receiver hears of the reply on this loop.
func (e *Exchange) Submit(r *Request, receiver Receiver) {
	e.body = r.Body
	e.describe(r)
	e.receiver, e.active, e.lost, e.scans = receiver, true, false, 0
	e.attempts, e.produced, e.consumed, e.begun = 0, 0, 0, false
	e.done, e.cut, e.fileLost, e.reply = false, false, false, Reply{}
	e.queued = e.port.loop.Clock.Nanos
	e.id, e.timeout, e.since, e.claimed, e.overdue = r.ID, r.Timeout, 0, 0, false
	e.port.inFlight++
	e.state = e.port.segment.Fill(e.slot, e.state.Generation()+1)
	e.port.queue.Push(e.slot)
}

func (e *Exchange) describe(r *Request) {
	segment := e.port.segment
	s, h := segment.Slot(e.slot), r.Head
	atomic.StoreUint32(&s.Produced, 0)
	atomic.StoreUint32(&s.Consumed, 0)
	s.HeadAt, s.FieldsAt = segment.HomeHeadAt(e.slot), segment.HomeFieldsAt(e.slot)
	if e.hasLarge {
		s.HeadAt, s.FieldsAt = segment.LargeHeadAt(e.large), segment.LargeFieldsAt(e.large)
	}
	s.FieldCount, s.HeadLen = uint16(len(h.Fields)), uint16(r.HeadLen)
	s.Listener, s.Minor, s.Flags = r.Listener, h.Minor, flags(r)
	s.MethodAt, s.MethodLen = h.Method.At, h.Method.Len
	s.TargetAt, s.TargetLen = h.Target.At, h.Target.Len
	s.PathAt, s.PathLen = h.Path.At, h.Path.Len
	s.QueryAt, s.QueryLen = h.Query.At, h.Query.Len
	s.RequestID, s.Attempts, s.ReplyFlags = r.ID, 0, 0
	if e.port.tallies != nil {
		s.Flags |= wire.FlagTimed
		s.Ran = 0
		atomic.StoreUint32(&s.Core, noCore)
	}
	addr, port := r.RemoteAddr, r.RemotePort
	if o := r.Origin; o != nil {
		addr, port = o.Addr, o.Port
		describeOrigin(s, o)
	}
	s.RemoteAddrLen = uint8(copy(s.RemoteAddr[:], addr))
	s.RemotePortLen = uint8(copy(s.RemotePort[:], port))
	if atomic.LoadUint32(&s.Hints) != 0 {
		atomic.StoreUint32(&s.Hints, 0)
	}
	e.limited = limited{}
	if atomic.LoadUint32(&s.Limit) != 0 {
		atomic.StoreUint32(&s.Limit, 0)
	}
	if left := uint32(bit(r.ClientLeft, 1)); atomic.LoadUint32(&s.ClientLeft) != left {
		atomic.StoreUint32(&s.ClientLeft, left)
	}
	switch {
	case r.Body != nil && r.Body.stream:
		e.openStream(s, h.ContentLength)
	case r.Body != nil:
		s.BodyKind, s.BodyAt, s.BodyLen = r.Body.place()
	case r.InlineBody > 0:
		s.BodyKind, s.BodyAt, s.BodyLen = wire.BodyInline, uint64(s.HeadAt)+uint64(r.HeadLen), uint64(r.InlineBody)
	default:
		s.BodyKind, s.BodyAt, s.BodyLen = wire.BodyNone, 0, 0
	}
}

func describeOrigin(s *wire.Slot, o *wire.Origin) {
	s.OriginFlags = bit(o.Host.Len > 0, wire.OriginHost) | bit(o.HostPort, wire.OriginHostPort) |
		bit(o.HasScript, wire.OriginScript) | bit(o.WholePath, wire.OriginWholePath)
	s.ServerPort = o.ServerPort
	s.HostAt, s.HostLen, s.HostName = o.Host.At, o.Host.Len, o.HostName
	s.ScriptAt, s.ScriptLen = o.Script.At, o.Script.Len
	s.PeerAddrLen = uint8(copy(s.PeerAddr[:], o.Peer))
}

func flags(r *Request) uint8 {
	https := r.HTTPS
	if r.Origin != nil {
		https = r.Origin.HTTPS
	}
	return bit(r.Head.HeadOnly, wire.FlagHeadOnly) | bit(r.Head.Escaped, wire.FlagEscaped) |
		bit(r.Head.Repeated, wire.FlagRepeated) | bit(https, wire.FlagHTTPS) | bit(r.HasBody, wire.FlagLength) |
		bit(r.Origin != nil, wire.FlagOrigin)
}

func bit(on bool, flag uint8) uint8 {
	if on {
		return flag
	}
	return 0
}

// ClientLeft tells the worker that the client has ended its side. A reply may still be wanted.
func (e *Exchange) ClientLeft() { atomic.StoreUint32(&e.port.segment.Slot(e.slot).ClientLeft, 1) }

// Leave says that nobody waits for the reply any more: the request is taken out of line, or its worker is told.
func (e *Exchange) Leave() {
	e.detach()
	e.ClientLeft()
	if e.body != nil && e.body.stream {
		e.StreamEnd(false)
	}
	e.letGo()
}

// Withdraw takes the request out of line, which ends the exchange. It reports false when a worker has claimed it.
func (e *Exchange) Withdraw() bool {
	state := e.port.segment.State(e.slot)
	if state.Kind() != wire.StateFilled || !e.port.segment.Withdraw(e.slot, state) {
		return false
	}
	e.Release()
	return true
}

// InLine reports that no worker has claimed the request.
func (e *Exchange) InLine() bool {
	return e.active && e.port.segment.State(e.slot).Kind() == wire.StateFilled
}

// letGo moves an exchange without receiver on as far as its state allows; the scan comes back to it.
func (e *Exchange) letGo() {
	segment := e.port.segment
	state := segment.State(e.slot)
	switch state.Kind() {
	case wire.StateFilled:
		e.Withdraw()
	case wire.StateStarted:
		segment.Abandon(e.slot, state)
	case wire.StateDone:
		e.read() // what was published since the last look holds blocks, too
		e.Release()
	}
}

// abandon ends the exchange for its receiver. The slot stays in quarantine until the worker, which lives, gives it back.
func (e *Exchange) abandon(why *fault.Fault) {
	if receiver := e.detach(); receiver != nil {
		receiver.Failed(e, why)
	}
	e.letGo()
}

// fail ends the exchange of a worker that is gone.
func (e *Exchange) fail(why *fault.Fault) {
	e.port.segment.Settle(e.slot, e.port.segment.State(e.slot))
	e.done, e.cut = true, true
	e.abandon(why)
}

// Release ends the exchange: its reply is sent or given up, and the worker is done with the slot.
func (e *Exchange) Release() {
	if !e.active {
		return
	}
	if e.overdue {
		e.returned()
	}
	p := e.port
	e.takeFromStash(len(e.stash))
	if blocks := e.giveBack(e.produced - e.consumed); blocks > 0 && e.done {
		p.segment.Freed(e.worker, blocks)
	}
	e.giveHints()
	e.dropFile()
	if e.body != nil {
		e.body.Release()
		e.body = nil
	}
	e.giveLarge()
	p.segment.Free(e.slot)
	e.active, e.receiver = false, nil
	p.inFlight--
	p.Cancel(e)
}

// waitOn sees to a request that nobody has claimed.
func (e *Exchange) waitOn() {
	receiver := e.receiver
	if receiver == nil || !e.port.late(e.queued) {
		e.findLost()
		return
	}
	if e.Withdraw() {
		receiver.Failed(e, fault.QueueTimedOut)
	}
}

// findLost pushes a request again that is filled and no longer in line: a thread took it from the window and died before
// it claimed. Seen once, the thread may still be alive between the two.
func (e *Exchange) findLost() {
	if e.receiver == nil || e.port.retired {
		e.again()
		return
	}
	if e.port.queue.Holds(e.slot) {
		e.lost = false
		return
	}
	if e.lost {
		e.again()
	}
	e.lost = !e.lost
}

// again puts an unclaimed request in line once more, or has it go elsewhere when nobody claims here. One that nobody waits for is
// taken out.
func (e *Exchange) again() {
	switch receiver := e.receiver; {
	case receiver == nil:
		e.letGo()
	case e.port.retired:
		receiver.Stranded(e)
	default:
		e.port.queue.Push(e.slot)
	}
}

// workerDied applies PROTOCOL.md section 8 to one slot.
func (e *Exchange) workerDied(w int) {
	segment := e.port.segment
	state := segment.State(e.slot)
	if state.Kind() == wire.StateFilled {
		if !e.port.queue.Holds(e.slot) {
			e.again()
		}
		return
	}
	if state.Worker() != w {
		return
	}
	switch state.Kind() {
	case wire.StateClaimed:
		e.retry(state)
	case wire.StateDone:
		if e.port.look(e); e.active && e.receiver != nil {
			e.park()
		}
		if e.active {
			e.copyOut()
		}
	default:
		e.fail(e.port.death)
	}
}

func (e *Exchange) retry(state slot.State) {
	e.attempts++
	if e.attempts >= maxAttempts {
		e.fail(fault.WorkerDiedTwice)
		return
	}
	e.take(state)
}

// take has a claimed request served by another worker: the late claim fails.
func (e *Exchange) take(state slot.State) {
	e.port.segment.Slot(e.slot).Attempts = uint32(e.attempts)
	if next, ok := e.port.segment.Refill(e.slot, state); ok {
		e.state = next
		e.again()
	}
}
