//go:build linux

package dispatch

import "time"

const (
	paceOver    = time.Millisecond       // what a pace is measured over, at least
	longestNap  = 200 * time.Microsecond // what a finished reply may wait under load
	shortestNap = 50 * time.Microsecond  // less is not worth the system call
	napReplies  = 2                      // fewer replies at the end of a nap are not worth it
)

// pace is how fast replies come. When every thread is busy and more requests wait than the workers can take in the next
// moment, nothing is gained by waking up for each reply and each new request: the loop naps instead, and finds several
// of both. A finished reply then waits for longestNap at most, while the requests in line wait for longer anyway.
type pace struct {
	replies  int   // since
	since    int64 // Nanos of the loop's clock
	perMilli int   // replies per millisecond, lately
}

func (p *pace) tick(now int64) {
	elapsed := now - p.since
	if elapsed < int64(paceOver) {
		return
	}
	p.perMilli = int(int64(p.replies) * int64(time.Millisecond) / elapsed)
	p.replies, p.since = 0, now
}

// nap is how long the loop may look away while waiting requests are unclaimed: until half of them are taken, so that no
// thread finds the window empty.
func (p *pace) nap(waiting int) time.Duration {
	d := min(longestNap, time.Duration(waiting)*time.Millisecond/time.Duration(2*p.perMilli))
	if d < shortestNap || time.Duration(p.perMilli)*d < napReplies*time.Millisecond {
		return 0
	}
	return d
}
