//go:build linux

package front

import (
	"sync"
	"time"
)

// perMinute is how many lines of a kind that a client can cause are written.
const perMinute = 10

// quota bounds such lines.
type quota struct {
	mu     sync.Mutex
	minute int64
	told   int
	untold int
}

// turn begins a new minute when one has begun, and returns how many events stayed without a line in the last.
func (q *quota) turn() (untold int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if minute := time.Now().Unix() / 60; minute != q.minute {
		untold = q.untold
		q.minute, q.told, q.untold = minute, 0, 0
	}
	return untold
}

// take reports whether a line may be written; it stands for n events.
func (q *quota) take(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.told == perMinute {
		q.untold += n
		return false
	}
	q.told++
	return true
}
