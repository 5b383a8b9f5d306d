//go:build linux

// Package slottest is the worker's side of the segment in Go, for tests: what ext/ does in C, one instruction of the
// protocol at a time, so that a test can stop or die between any two.
package slottest

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/wire"
)

// Worker is one thread of a worker. It maps the segment by itself, as another process would.
type Worker struct {
	memory []byte
	header *wire.Header
	window *wire.Window
	number int
	thread int
	bells  []int
}

// Join maps the segment file as thread of worker number. bells are the ports' eventfds.
func Join(segment int, number, thread int, bells []int) (*Worker, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(segment, &stat); err != nil {
		return nil, err
	}
	memory, err := unix.Mmap(segment, 0, int(stat.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	w := &Worker{memory: memory, number: number, thread: thread, bells: bells}
	w.header = (*wire.Header)(w.at(0))
	if w.header.Magic != wire.Magic || w.header.Version != wire.Version {
		return nil, fmt.Errorf("not a segment: %x", w.header.Magic)
	}
	w.window = (*wire.Window)(w.at(w.header.WindowAt))
	return w, nil
}

func (w *Worker) at(offset uint64) unsafe.Pointer { return unsafe.Pointer(&w.memory[offset]) }

// Slot returns a slot's record.
func (w *Worker) Slot(i uint32) *wire.Slot {
	return (*wire.Slot)(w.at(w.header.SlotsAt + uint64(i)*wire.SizeofSlot))
}

// Home returns a slot's home block.
func (w *Worker) Home(i uint32) []byte {
	from := w.header.HomesAt + uint64(i)*wire.HomeSize
	return w.memory[from : from+wire.HomeSize]
}

// Take takes a slot number from the window; false when it is empty.
func (w *Worker) Take() (uint32, bool) {
	entries := w.header.WindowAt + wire.SizeofWindow
	for {
		head, tail := atomic.LoadUint64(&w.window.Head), atomic.LoadUint64(&w.window.Tail)
		if head == tail {
			return 0, false
		}
		i := atomic.LoadUint32((*uint32)(w.at(entries + 4*(head%uint64(w.header.WindowSize)))))
		if atomic.CompareAndSwapUint64(&w.window.Head, head, head+1) {
			return i, true
		}
	}
}

// Claim moves a taken slot from filled to claimed.
func (w *Worker) Claim(i uint32) bool {
	state := atomic.LoadUint64(&w.Slot(i).State)
	if !wire.Claim.From(int(state & 0xff)) {
		return false
	}
	next := state&^uint64(0xffff00ff) | uint64(wire.Claim.To()) | uint64(w.number)<<16
	return atomic.CompareAndSwapUint64(&w.Slot(i).State, state, next)
}

// Move moves a slot from one state to another.
func (w *Worker) Move(i uint32, from, to uint64) bool {
	state := atomic.LoadUint64(&w.Slot(i).State)
	return state&0xff == from && atomic.CompareAndSwapUint64(&w.Slot(i).State, state, state&^uint64(0xff)|to)
}

// Kind is a slot's state without its other parts.
func (w *Worker) Kind(i uint32) int { return int(atomic.LoadUint64(&w.Slot(i).State) & 0xff) }

// Wait sleeps until there may be something to take, for 10 ms at most.
func (w *Worker) Wait() {
	word := (*uint32)(w.at(w.header.WorkersAt + uint64(w.number)*w.header.WorkerStride + wire.SizeofWorker +
		4*uint64(w.thread)))
	atomic.StoreUint32(word, 1)
	if atomic.LoadUint64(&w.window.Head) == atomic.LoadUint64(&w.window.Tail) {
		timeout := unix.NsecToTimespec(10e6)
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), 0, 1, uintptr(unsafe.Pointer(&timeout)), 0, 0)
	}
	atomic.StoreUint32(word, 0)
}

// Head writes the head of a reply with the first bytes of the body, and publishes it as piece 0.
func (w *Worker) Head(i uint32, code int, status, fields string, body []byte, flags uint32) {
	s, home := w.Slot(i), w.Home(i)
	s.StatusLen = uint32(copy(home[wire.ReplyStatus:], status))
	n := copy(home[wire.ReplyHead:], fields)
	n += copy(home[wire.ReplyHead+n:], "\r\n")
	s.StatusCode, s.FieldsLen, s.ReplyFlags = uint32(code), uint32(n), flags
	n += copy(home[wire.ReplyHead+n:], body)
	w.publish(i, uint64(n))
}

// Hint publishes interim heads behind those before: fields, and the empty line of each. The first takes a block.
func (w *Worker) Hint(i uint32, heads string) {
	s := w.Slot(i)
	came := atomic.LoadUint32(&s.Hints)
	if came == 0 {
		s.HintBlock, _ = w.freeBlock()
		w.setBlock(s.HintBlock, 1)
	}
	n := copy(w.memory[w.header.BlocksAt+uint64(s.HintBlock)*wire.BlockSize+uint64(came):], heads)
	atomic.StoreUint32(&s.Hints, came+uint32(n))
}

// Taken is how many blocks of this worker's are not free.
func (w *Worker) Taken() int {
	n, from := 0, uint32(w.number)*w.header.WorkerBlocks
	for b := from; b < from+w.header.WorkerBlocks; b++ {
		n += int(min(1, atomic.LoadUint32((*uint32)(w.at(w.header.BlockTableAt+4*uint64(b))))))
	}
	return n
}

func (w *Worker) setBlock(b, value uint32) {
	atomic.StoreUint32((*uint32)(w.at(w.header.BlockTableAt+4*uint64(b))), value)
}

func (w *Worker) publish(i uint32, piece uint64) {
	s := w.Slot(i)
	produced := atomic.LoadUint32(&s.Produced)
	atomic.StoreUint64(&s.Piece[produced%wire.Pieces], piece)
	atomic.StoreUint32(&s.Produced, produced+1)
}

// Room reports whether another piece and a block are free.
func (w *Worker) Room(i uint32) bool {
	s := w.Slot(i)
	_, ok := w.freeBlock()
	return ok && atomic.LoadUint32(&s.Produced)-atomic.LoadUint32(&s.Consumed) < wire.Pieces
}

func (w *Worker) freeBlock() (uint32, bool) {
	from := uint32(w.number) * w.header.WorkerBlocks
	for b := from; b < from+w.header.WorkerBlocks; b++ {
		if atomic.LoadUint32((*uint32)(w.at(w.header.BlockTableAt+4*uint64(b)))) == 0 {
			return b, true
		}
	}
	return 0, false
}

// AwaitRoom says that the worker's thread waits for room, or that it does not any more.
func (w *Worker) AwaitRoom(waits bool) {
	worker := (*wire.Worker)(w.at(w.header.WorkersAt + uint64(w.number)*w.header.WorkerStride))
	n := uint32(0)
	if waits {
		n = 1
	}
	atomic.StoreUint32(&worker.Waiting, n)
}

// Piece publishes up to a block of body bytes and returns how many. The caller has seen Room.
func (w *Worker) Piece(i uint32, body []byte) int {
	b, _ := w.freeBlock()
	w.setBlock(b, 1)
	from := w.header.BlocksAt + uint64(b)*wire.BlockSize
	n := copy(w.memory[from:from+wire.BlockSize], body)
	w.publish(i, uint64(b)<<32|uint64(n))
	return n
}

// Ring sets the slot's done bit and wakes its loop.
func (w *Worker) Ring(i uint32) {
	perPort := w.header.SlotCount / w.header.PortCount
	port := (*wire.Port)(w.at(w.header.PortsAt + uint64(i/perPort)*wire.SizeofPort))
	word := &port.Done[i%perPort/64]
	for {
		old := atomic.LoadUint64(word)
		if atomic.CompareAndSwapUint64(word, old, old|1<<(i%64)) {
			break
		}
	}
	if atomic.SwapUint32(&port.Sleeping, 0) == 1 {
		_, _ = unix.Write(w.bells[i/perPort], []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// RequestHead returns the head's bytes.
func (w *Worker) RequestHead(i uint32) []byte {
	s := w.Slot(i)
	return w.memory[s.HeadAt : s.HeadAt+uint32(s.HeadLen)]
}

// RequestBody returns a body that lies in the slot or in blocks; of a streamed one the start that has arrived.
func (w *Worker) RequestBody(i uint32) []byte {
	s := w.Slot(i)
	switch s.BodyKind {
	case wire.BodyInline:
		return w.memory[s.BodyAt : s.BodyAt+s.BodyLen]
	case wire.BodyBlocks:
		body := make([]byte, 0, s.BodyLen)
		for b := uint32(s.BodyAt); uint64(len(body)) < s.BodyLen; {
			from := w.header.BlocksAt + uint64(b)*wire.BlockSize
			body = append(body, w.memory[from:from+min(wire.BlockSize, s.BodyLen-uint64(len(body)))]...)
			b = atomic.LoadUint32((*uint32)(w.at(w.header.BlockTableAt+4*uint64(b)))) - 1
		}
		return body
	case wire.BodyStream:
		arrived := atomic.LoadUint64(&s.Arrived)
		var body []byte
		for n := uint64(0); uint64(len(body)) < arrived; n++ {
			from := w.header.BlocksAt + uint64(s.Stream[n])*wire.BlockSize
			body = append(body, w.memory[from:from+min(wire.BlockSize, arrived-uint64(len(body)))]...)
		}
		return body
	}
	return nil
}

// HandOver passes descriptors with a message over a port's socket, as a worker passes one file.
func HandOver(socket int, message wire.Handover, descriptors ...int) error {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&message)), wire.SizeofHandover)
	return unix.Sendmsg(socket, bytes, unix.UnixRights(descriptors...), nil, unix.MSG_DONTWAIT)
}

// Generation is that of a slot's state.
func (w *Worker) Generation(i uint32) uint32 {
	return uint32(atomic.LoadUint64(&w.Slot(i).State) >> 32)
}
