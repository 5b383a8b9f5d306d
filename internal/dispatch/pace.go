//go:build linux

package dispatch

import "time"

const (
	paceOver    = time.Millisecond       // what a pace is measured over, at least
	shortNap    = 200 * time.Microsecond // what a finished reply may wait under load
	longestNap  = time.Millisecond       // and where the line is so long that an eighth of it takes that
	shortestNap = 50 * time.Microsecond  // less is not worth the system call
	napReplies  = 2                      // fewer replies at the end of a nap are not worth it
	manyPieces  = 8                      // a reply that has so many pending will soon need room for more
	manyFor     = 2 * time.Millisecond   // after one has been seen there is no nap
)

// pace is how fast replies come. When every thread is busy and more requests wait than the workers can take in the next
// moment, nothing is gained by waking up for each reply and each new request: the loop naps instead, and finds several
// of both. Each time it is woken it takes a processor from a worker in the middle of its work, and the fewer replies come, the
// more of them that concerns. A finished reply waits for shortNap at most, or for an eighth of what the requests in line wait.
type pace struct {
	replies  int   // since
	since    int64 // Nanos of the loop's clock
	perMilli int   // replies per millisecond, lately
	large    int64 // Nanos when a reply of many pieces was last seen; 0 for never
}

// saw takes down that so many pieces of a reply are pending. A worker fills all room that there is for a large reply in less than
// a nap, and then waits for a loop that does not look.
func (p *pace) saw(pieces int, now int64) {
	if pieces >= manyPieces {
		p.large = now
	}
}

func (p *pace) tick(now int64) {
	elapsed := now - p.since
	if elapsed < int64(paceOver) {
		return
	}
	p.perMilli = int(int64(p.replies) * int64(time.Millisecond) / elapsed)
	p.replies, p.since = 0, now
}

// nap is how long the loop may look away while waiting requests are unclaimed: until half of them are taken at most, so that
// no thread finds the window empty.
func (p *pace) nap(waiting int, now int64) time.Duration {
	if p.perMilli == 0 || p.large != 0 && now-p.large < int64(manyFor) {
		return 0
	}
	line := time.Duration(waiting) * time.Millisecond / time.Duration(p.perMilli)
	d := min(line/2, max(shortNap, min(line/8, longestNap)))
	if d < shortestNap || time.Duration(p.perMilli)*d < napReplies*time.Millisecond {
		return 0
	}
	return d
}
