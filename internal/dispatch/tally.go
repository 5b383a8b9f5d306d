//go:build linux

package dispatch

import (
	"slices"
	"sync/atomic"
	"time"

	"speyside.dev/speyside/internal/wire"
)

// noCore is the number of a thread before one has begun.
const noCore = ^uint32(0)

// Tally is what a worker has done on one port, with all the processes that have had its number. Only a port that was told to
// count has one.
type Tally struct {
	Requests   uint64 // that it has given back
	Exceptions uint64 // of those, the ones in which the application failed while somebody waited for its reply
	TimedOut   uint64 // requests that were answered in its place because their time was over
	Bytes      uint64 // of replies: the application's header fields and bodies, as they came
	Ran        time.Duration
	Cores      []uint64 // requests, by the number of the thread
}

// Add adds what was done on another port.
func (t *Tally) Add(of *Tally) {
	t.Requests += of.Requests
	t.Exceptions += of.Exceptions
	t.TimedOut += of.TimedOut
	t.Bytes += of.Bytes
	t.Ran += of.Ran
	for i, n := range of.Cores {
		t.Cores[i] += n
	}
}

// NewTallies returns empty ones for so many workers.
func NewTallies(workers, threads int) []Tally {
	cores := make([]uint64, workers*threads)
	all := make([]Tally, workers)
	for i := range all {
		all[i].Cores = cores[i*threads:][:threads:threads]
	}
	return all
}

// Count has the port keep tallies, and the workers look at the clock for them. It is called before the first request.
func (p *Port) Count() { p.tallies = NewTallies(p.segment.Workers, p.segment.Threads) }

// Tallies returns a copy of what each worker has done, by its number; nil when nothing is counted.
func (p *Port) Tallies() []Tally {
	all := slices.Clone(p.tallies)
	for i := range all {
		all[i].Cores = slices.Clone(all[i].Cores)
	}
	return all
}

// tally counts a request that its worker has given back; how long it took is the worker's word.
func (e *Exchange) tally(t *Tally) {
	s := e.port.segment.Slot(e.slot)
	t.Requests++
	t.Ran += time.Duration(s.Ran) * time.Microsecond
	if core := atomic.LoadUint32(&s.Core); int(core) < len(t.Cores) {
		t.Cores[core]++
	}
	if e.file != nil {
		t.Bytes += uint64(e.file.Left)
	}
	if e.receiver != nil && (e.produced == 0 || s.ReplyFlags&wire.ReplyCut != 0) {
		t.Exceptions++
	}
}

// Core is the number of the thread that runs the request; the worker's word, and known only where the port counts. -1: it is not known.
func (e *Exchange) Core() int {
	core := atomic.LoadUint32(&e.port.segment.Slot(e.slot).Core)
	if e.port.tallies == nil || int(core) >= e.port.segment.Threads {
		return -1
	}
	return int(core)
}
