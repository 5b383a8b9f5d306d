//go:build linux

package slot

import (
	"sync"
	"sync/atomic"
)

// Queue is the line of parsed requests that wait for a worker. The line itself is Go memory; a short window on it lies in
// the segment, where workers claim. All loops push to the same queue.
type Queue struct {
	segment *Segment

	mu      sync.Mutex
	tail    atomic.Uint64 // the window's tail; the word in the segment is for the workers, who could write it
	waiting []uint32      // ring of slot numbers that did not fit the window
	first   int
	count   int
	lined   []bool // by slot: it is in that ring
	fresh   int    // pushed to the window and not yet rung for

	beyond  atomic.Int32 // count, for whoever does not have the lock
	outside atomic.Int32 // requests that wait for a slot
}

// NewQueue returns the queue of a segment.
func NewQueue(s *Segment) *Queue {
	return &Queue{segment: s, waiting: make([]uint32, s.Slots), lined: make([]bool, s.Slots)}
}

// Push puts slot i at the end of the line. It may be called again for a slot that a worker took from the window and then
// died, or that was filled anew after a request was withdrawn: claiming twice is impossible. A slot that is in the ring
// already has its place there, so that clients who come and leave cannot fill it.
func (q *Queue) Push(i uint32) {
	q.mu.Lock()
	if !q.lined[i] && (q.count > 0 || !q.toWindow(i)) {
		q.waiting[(q.first+q.count)%len(q.waiting)] = i
		q.lined[i] = true
		q.count++
		q.beyond.Store(int32(q.count))
	}
	q.mu.Unlock()
}

// toWindow writes one entry; false when the window is full.
func (q *Queue) toWindow(i uint32) bool {
	if q.InWindow() >= len(q.segment.entries) {
		return false
	}
	tail := q.tail.Load()
	atomic.StoreUint32(&q.segment.entries[tail%uint64(len(q.segment.entries))], i)
	q.tail.Store(tail + 1)
	atomic.StoreUint64(&q.segment.window.Tail, tail+1)
	q.fresh++
	return true
}

// Flush moves what fits from the line to the window and rings a thread for each request pushed since the last Flush.
func (q *Queue) Flush() {
	q.mu.Lock()
	for q.count > 0 && q.toWindow(q.waiting[q.first]) {
		q.lined[q.waiting[q.first]] = false
		q.first = (q.first + 1) % len(q.waiting)
		q.count--
	}
	fresh := q.fresh
	q.fresh = 0
	q.beyond.Store(int32(q.count))
	q.mu.Unlock()
	if fresh > 0 {
		q.ring(fresh)
	}
}

// Stalled rings one more thread while requests wait and somebody sleeps. The caller comes back every millisecond while
// [Queue.Pressing] is true.
func (q *Queue) Stalled() {
	if q.Pressing() {
		q.ring(1)
	}
}

// Unclaimed reports that the window is not empty.
func (q *Queue) Unclaimed() bool { return q.InWindow() > 0 }

// InWindow is how many entries are not claimed yet. The head is the workers' word: a value beyond reason counts as full.
func (q *Queue) InWindow() int {
	tail := q.tail.Load()
	n := tail - atomic.LoadUint64(&q.segment.window.Head)
	return int(min(n, uint64(len(q.segment.entries))))
}

// Outside counts n more requests that wait for a slot, or fewer.
func (q *Queue) Outside(n int) { q.outside.Add(int32(n)) }

// Reaches reports that at least n requests wait, in line or for a slot. The places in line tell that few do; many of them may
// be those of clients that have left, so then the slots are counted.
func (q *Queue) Reaches(n int) bool {
	outside := int(q.outside.Load())
	return q.InWindow()+int(q.beyond.Load())+outside >= n && q.segment.filled()+outside >= n
}

// Glance tells from a few words whether requests wait, how many requests the workers run by their own word, and whether a thread sleeps. Anybody may ask, at any
// time; what waits may be what clients have left behind.
func (q *Queue) Glance() (waits bool, busy int, free bool) {
	for w := range int(q.segment.used.Load()) {
		busy += q.segment.Busy(w)
	}
	return q.InWindow()+int(q.beyond.Load())+int(q.outside.Load()) > 0, busy, q.AnyAsleep()
}

// Len is the number of requests in line, those in the window included.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count + q.InWindow()
}

// Holds reports whether slot i is in line: in Go memory or in the window.
func (q *Queue) Holds(i uint32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := range q.count {
		if q.waiting[(q.first+n)%len(q.waiting)] == i {
			return true
		}
	}
	entries := uint64(len(q.segment.entries))
	tail := q.tail.Load()
	for n := range uint64(q.InWindow()) {
		if atomic.LoadUint32(&q.segment.entries[(tail-1-n)%entries]) == i {
			return true
		}
	}
	return false
}

// Pressing reports that a request waits in the window while a thread sleeps: that thread was not rung, or the one that was
// is dead, stopped, or behind somebody else's GIL.
func (q *Queue) Pressing() bool { return q.Unclaimed() && q.AnyAsleep() }

// AnyAsleep reports that a thread of some worker sleeps.
func (q *Queue) AnyAsleep() bool { return q.segment.anyAsleep() }
