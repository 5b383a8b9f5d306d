//go:build linux

// Package slot is the front's side of the segment: the memory it shares with the workers of one generation.
//
// Most callers need [New], which makes a segment, and [Queue], through which requests reach the workers. The package
// knows slots, blocks, the window and the bells; it knows neither HTTP nor connections, and it never waits.
// The contract with the workers is internal/wire/PROTOCOL.md.
package slot

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/wire"
)

// Shape says how large the parts of a segment are.
type Shape struct {
	Slots       int // requests that can be in flight at once; a multiple of 64 per port
	Ports       int // loops
	Workers     int // entries of the worker table
	Threads     int // threads per worker at most
	FrontBlocks int // blocks for request bodies
	LargeBlocks int // large blocks, for heads that do not fit a home block
	Generation  int
}

// blocksPerThread lets each thread of a worker have a full ring of pieces published at once.
const blocksPerThread = wire.Pieces

// Segment is the mapped memory of one generation.
type Segment struct {
	Shape
	file    *os.File
	memory  []byte
	header  wire.Header // the front's own copy: what lies in the segment is never believed
	window  *wire.Window
	entries []uint32
	ports   []wire.Port
	slots   []wire.Slot
	blocks  []uint32     // the block table
	used    atomic.Int32 // workers with lower numbers may exist
	bodies  pool         // blocks for request bodies
	large   pool         // large blocks
	sockets sockets
}

// New makes a sealed segment: it can neither shrink nor grow, so no worker can take its memory from under the front.
// It returns an error for a shape that the layout does not allow, or when the system gives no memory file.
func New(shape Shape) (*Segment, error) {
	if err := shape.check(); err != nil {
		return nil, err
	}
	header := shape.layout()
	file, err := sealedFile(int64(header.Size))
	if err != nil {
		return nil, fmt.Errorf("making a segment of %d bytes: %w", header.Size, err)
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, int(header.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("mapping a segment of %d bytes: %w", header.Size, err)
	}
	s := &Segment{Shape: shape, file: file, memory: memory, header: header}
	*at[wire.Header](s, 0) = header
	s.window = at[wire.Window](s, header.WindowAt)
	s.entries = table[uint32](s, header.WindowAt+uint64(unsafe.Sizeof(wire.Window{})), int(header.WindowSize))
	s.ports = table[wire.Port](s, header.PortsAt, shape.Ports)
	s.slots = table[wire.Slot](s, header.SlotsAt, shape.Slots)
	s.blocks = table[uint32](s, header.BlockTableAt, s.blockCount())
	s.used.Store(int32(s.Workers))
	s.bodies.init(uint32(s.blockCount()-s.FrontBlocks), s.FrontBlocks)
	s.large.init(0, s.LargeBlocks)
	if err := s.sockets.make(s.Ports); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func sealedFile(size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("speyside", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "segment")
	if err := file.Truncate(size); err != nil {
		_ = file.Close()
		return nil, err
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return file, nil
}

func (s Shape) check() error {
	switch {
	case s.Ports < 1 || s.Slots < 1 || s.Slots%(s.Ports*64) != 0:
		return fmt.Errorf("segment: %d slots cannot be shared by %d ports", s.Slots, s.Ports)
	case s.Slots/s.Ports > 64*len(wire.Port{}.Done):
		return fmt.Errorf("segment: %d slots are too many for a port", s.Slots/s.Ports)
	case s.Workers < 1 || s.Workers > 1<<16-1 || s.Threads < 1:
		return fmt.Errorf("segment: %d workers of %d threads", s.Workers, s.Threads)
	case s.FrontBlocks < 1 || s.LargeBlocks < 1:
		return errors.New("segment: no blocks for request bodies")
	}
	return nil
}

// layout places the regions one after the other.
func (s Shape) layout() wire.Header {
	h := wire.Header{
		Magic: wire.Magic, Version: wire.Version, Generation: uint32(s.Generation),
		SlotCount: uint32(s.Slots), PortCount: uint32(s.Ports),
		WorkerCount: uint32(s.Workers), ThreadCount: uint32(s.Threads),
		WindowSize: windowSize(s.Workers * s.Threads), WorkerBlocks: uint32(s.Threads * blocksPerThread),
		FrontBlocks: uint32(s.FrontBlocks), LargeCount: uint32(s.LargeBlocks),
	}
	h.WorkerStride = uint64(unsafe.Sizeof(wire.Worker{})) + roundUp(uint64(s.Threads)*4, 64)
	next := uint64(wire.PageSize)
	place := func(size uint64) uint64 {
		here := next
		next = roundUp(next+size, wire.PageSize)
		return here
	}
	h.WindowAt = place(uint64(unsafe.Sizeof(wire.Window{})) + 4*uint64(h.WindowSize))
	h.PortsAt = place(uint64(unsafe.Sizeof(wire.Port{})) * uint64(s.Ports))
	h.WorkersAt = place(h.WorkerStride * uint64(s.Workers))
	h.SlotsAt = place(uint64(unsafe.Sizeof(wire.Slot{})) * uint64(s.Slots))
	blocks := uint64(h.WorkerBlocks)*uint64(s.Workers) + uint64(s.FrontBlocks)
	h.BlockTableAt = place(4 * blocks)
	h.HomesAt = place(wire.HomeSize * uint64(s.Slots))
	h.LargeAt = place(wire.LargeSize * uint64(s.LargeBlocks))
	h.BlocksAt = place(wire.BlockSize * blocks)
	h.Size = next
	return h
}

// windowSize is the power of two from twice the threads on, at least 64: enough that no thread finds it empty
// while the queue is not.
func windowSize(threads int) uint32 {
	size := uint32(64)
	for int(size) < 2*threads {
		size *= 2
	}
	return size
}

func roundUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }

func at[T any](s *Segment, offset uint64) *T { return (*T)(unsafe.Pointer(&s.memory[offset])) }

func table[T any](s *Segment, offset uint64, n int) []T { return unsafe.Slice(at[T](s, offset), n) }

// File is the segment's memory file, for the processes that join it.
func (s *Segment) File() *os.File { return s.file }

// Close unmaps the segment. Nothing of it may be used afterwards.
func (s *Segment) Close() error {
	return errors.Join(unix.Munmap(s.memory), s.file.Close(), s.sockets.close())
}

// Slot returns slot i's record.
func (s *Segment) Slot(i uint32) *wire.Slot { return &s.slots[i] }

// Port returns port i's record.
func (s *Segment) Port(i int) *wire.Port { return &s.ports[i] }

// Home returns slot i's home block.
func (s *Segment) Home(i uint32) []byte {
	from := s.homeAt(i)
	return s.memory[from : from+wire.HomeSize : from+wire.HomeSize]
}

// HomeHeadAt is the segment offset of the request's bytes in slot i's home block.
func (s *Segment) HomeHeadAt(i uint32) uint32 { return uint32(s.homeAt(i)) + wire.HomeHead }

func (s *Segment) homeAt(i uint32) uint64 { return s.header.HomesAt + uint64(i)*wire.HomeSize }

// HomeFields returns the empty field table of slot i's home block, to append to within its capacity.
func (s *Segment) HomeFields(i uint32) []wire.Field {
	return table[wire.Field](s, s.homeAt(i), wire.HomeFields)[:0]
}

// HomeFieldsAt is the segment offset of that table.
func (s *Segment) HomeFieldsAt(i uint32) uint32 { return uint32(s.homeAt(i)) }

// Block returns the memory of block b.
func (s *Segment) Block(b uint32) []byte {
	from := s.header.BlocksAt + uint64(b)*wire.BlockSize
	return s.memory[from : from+wire.BlockSize : from+wire.BlockSize]
}

func (s *Segment) blockCount() int {
	return int(s.header.WorkerBlocks)*s.Workers + s.FrontBlocks
}

// Expect says that only the first n workers exist for now, which makes looking for one that sleeps cheaper.
func (s *Segment) Expect(n int) { s.used.Store(int32(min(n, s.Workers))) }

// Use says that worker w is about to exist.
func (s *Segment) Use(w int) {
	for {
		used := s.used.Load()
		if int(used) > w || s.used.CompareAndSwap(used, int32(w+1)) {
			return
		}
	}
}

// worker returns worker w's entry of the worker table.
func (s *Segment) worker(w int) *wire.Worker {
	return at[wire.Worker](s, s.header.WorkersAt+uint64(w)*s.header.WorkerStride)
}

// Pid is the process of worker w, by its own word.
func (s *Segment) Pid(w int) int { return int(atomic.LoadUint32(&s.worker(w).Pid)) }

// sleepWords returns the sleep word of each thread of worker w.
func (s *Segment) sleepWords(w int) []uint32 {
	from := s.header.WorkersAt + uint64(w)*s.header.WorkerStride + uint64(unsafe.Sizeof(wire.Worker{}))
	return table[uint32](s, from, s.Threads)
}

// Busy is how many requests worker w runs, by its own word.
func (s *Segment) Busy(w int) int { return int(atomic.LoadUint32(&s.worker(w).Busy)) }

// ClearWorker forgets what a reaped worker left: its sleep words, its counters and the blocks it had taken. Every loop
// must have let go of that worker's pieces before.
func (s *Segment) ClearWorker(w int) {
	for i := range s.sleepWords(w) {
		atomic.StoreUint32(&s.sleepWords(w)[i], 0)
	}
	worker := s.worker(w)
	for _, word := range []*uint32{&worker.Busy, &worker.Waiting, &worker.Pid} {
		atomic.StoreUint32(word, 0)
	}
	from := w * int(s.header.WorkerBlocks)
	for b := from; b < from+int(s.header.WorkerBlocks); b++ {
		atomic.StoreUint32(&s.blocks[b], 0)
	}
}

// Layout returns where the parts of the segment are.
func (s *Segment) Layout() wire.Header { return s.header }
