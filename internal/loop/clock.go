//go:build linux

package loop

import (
	"time"
)

// Clock is the loop's coarse clock, set once per turn.
type Clock struct {
	Nanos int64 // monotonic, since the clock began
	start time.Time
	date  [len(dateLayout)]byte
	until int64 // Nanos at which date must be written anew
}

// dateLayout is IMF-fixdate (RFC 9110 section 5.6.7).
const dateLayout = "Mon, 02 Jan 2006 15:04:05 GMT"

// Date is the time of the turn as the Date field has it. It is valid until the next turn.
func (c *Clock) Date() []byte { return c.date[:] }

// Read returns the time now, and what Nanos would be: more exact than the turn's, and not for free.
func (c *Clock) Read() (now time.Time, nanos int64) {
	now = time.Now()
	return now, int64(now.Sub(c.start))
}

func (c *Clock) now() int64 { return int64(time.Since(c.start)) }

func (c *Clock) tick() {
	if c.start.IsZero() {
		c.start = time.Now().Add(-time.Nanosecond) // so that Nanos is never 0, which means "no time" to timers
	}
	c.Nanos = c.now()
	if c.Nanos < c.until {
		return
	}
	now := time.Now()
	now.UTC().AppendFormat(c.date[:0], dateLayout)
	c.until = c.Nanos + int64(time.Second) - int64(now.Nanosecond())
}
