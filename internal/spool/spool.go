//go:build linux

// Package spool keeps request bodies that do not fit the segment, and replies that slow clients have not taken, in one nameless
// file, which workers read at an offset.
//
// Callers need [New] and [Spool.Reserve]. The package does not know what the bytes are, and it never grows the file
// beyond what was written: room is reserved as addresses, the disk holds only what arrived, and a hole is punched before an
// extent is used again.
package spool

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Room is the number of byte addresses that can be reserved at once, below the largest file of ext4 (16 TiB).
const Room = 8 << 40

// Grain is what extents begin and end at: pages of any machine, so that no two share one, and each can be mapped.
const Grain = 64 << 10

// Unknown is what is reserved for a body whose length is not known; a longer one is refused.
const Unknown = 16 << 30

// ErrTooLong is returned when a body is longer than its extent, or than any extent can be.
var ErrTooLong = errors.New("the body is longer than the spool can keep")

// ErrFull is returned when the spool holds as much as it may, or all addresses are reserved.
var ErrFull = errors.New("the spool is full")

// Spool is one nameless file, shared by all loops.
type Spool struct {
	file  *os.File
	fd    int
	limit int64        // bytes that may lie on the disk at once; 0 for any number
	taken atomic.Int64 // bytes that do

	mu   sync.Mutex
	free []span // sorted by offset, never touching
}

type span struct{ from, to int64 }

// Extent is the room of one body. It belongs to one loop.
type Extent struct {
	spool  *Spool
	span   span
	size   int64 // bytes that may be written
	Length int64 // bytes written
}

// New opens a nameless file in dir ("" for the system's directory for temporary files) that holds up to limit bytes (0 for
// any number).
func New(dir string, limit int64) (*Spool, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	file, err := nameless(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the spool in %s: %w", dir, err)
	}
	return &Spool{file: file, fd: int(file.Fd()), limit: limit, free: []span{{0, Room}}}, nil
}

func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	// Some file systems do not know O_TMPFILE.
	file, err := os.CreateTemp(dir, "speyside-spool-")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

// File is the spool's file, for the processes that read from it.
func (s *Spool) File() *os.File { return s.file }

// Descriptor is that of the file.
func (s *Spool) Descriptor() int { return s.fd }

// Close ends the spool; what it held is gone.
func (s *Spool) Close() error { return s.file.Close() }

// Reserve gives room for a body of up to size bytes. The disk is not taken before something is written.
func (s *Spool) Reserve(size int64) (*Extent, error) {
	if size > Room {
		return nil, ErrTooLong
	}
	if s.limit > 0 && size != Unknown && s.taken.Load()+size > s.limit {
		return nil, ErrFull // now, rather than in the middle of the body
	}
	room := roundUp(size)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.free {
		hole := &s.free[i]
		if hole.to-hole.from < room {
			continue
		}
		extent := &Extent{spool: s, span: span{hole.from, hole.from + room}, size: size}
		hole.from += room
		if hole.from == hole.to {
			s.free = append(s.free[:i], s.free[i+1:]...)
		}
		return extent, nil
	}
	return nil, ErrFull
}

func roundUp(size int64) int64 { return (size + Grain - 1) &^ (Grain - 1) }

// At is the extent's offset in the file, a multiple of Grain.
func (e *Extent) At() int64 { return e.span.from }

// Write appends p. It returns ErrTooLong when the body outgrows its extent, ErrFull when the spool holds as much as it
// may, or the system's error (a full disk).
func (e *Extent) Write(p []byte) error { return e.Writev([][]byte{p}) }

// maxRuns is how many runs of bytes the kernel takes at once.
const maxRuns = 1024

// Writev appends runs of bytes, which only the kernel reads. It fails as Write does.
func (e *Extent) Writev(runs [][]byte) error {
	for len(runs) > 0 {
		n := min(len(runs), maxRuns)
		if err := e.append(runs[:n]); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

func (e *Extent) append(runs [][]byte) error {
	s, size := e.spool, int64(0)
	for _, run := range runs {
		size += int64(len(run))
	}
	if e.Length+size > e.size {
		return ErrTooLong
	}
	if s.limit > 0 && s.taken.Add(size) > s.limit {
		s.taken.Add(-size)
		return ErrFull
	}
	n, err := writeAt(s.fd, runs, e.span.from+e.Length)
	if err == nil && n < size { // a full disk, or a signal: the rest says which
		var more int64
		more, err = writeAt(s.fd, skip(runs, n), e.span.from+e.Length+n)
		n += more
	}
	if err == nil && n < size {
		err = unix.ENOSPC
	}
	e.Length += n
	if s.limit > 0 {
		s.taken.Add(n - size)
	}
	if err != nil {
		return fmt.Errorf("writing to the spool: %w", err)
	}
	return nil
}

func writeAt(fd int, runs [][]byte, at int64) (int64, error) {
	for {
		n, err := unix.Pwritev(fd, runs, at)
		if err != unix.EINTR {
			return int64(max(n, 0)), err
		}
	}
}

// skip is runs without their first n bytes.
func skip(runs [][]byte, n int64) [][]byte {
	for len(runs) > 0 && n >= int64(len(runs[0])) {
		n -= int64(len(runs[0]))
		runs = runs[1:]
	}
	if len(runs) == 0 {
		return nil
	}
	rest := append([][]byte(nil), runs...)
	rest[0] = rest[0][n:]
	return rest
}

// Release punches out what was written and gives the room back.
func (e *Extent) Release() {
	s := e.spool
	if s.limit > 0 {
		s.taken.Add(-e.Length)
	}
	if e.Length > 0 {
		// A file system that cannot punch holes keeps the bytes until the room is written again.
		_ = unix.Fallocate(s.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, e.span.from, roundUp(e.Length))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.free), func(i int) bool { return s.free[i].from >= e.span.to })
	s.free = append(s.free, span{})
	copy(s.free[i+1:], s.free[i:])
	s.free[i] = e.span
	s.merge(i)
	s.merge(i - 1)
}

// merge joins hole i with the one after it when they touch.
func (s *Spool) merge(i int) {
	if i < 0 || i+1 >= len(s.free) || s.free[i].to != s.free[i+1].from {
		return
	}
	s.free[i].to = s.free[i+1].to
	s.free = append(s.free[:i+1], s.free[i+2:]...)
}
