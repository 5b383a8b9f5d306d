//go:build linux

package arbiter

import "time"

const (
	deathWindow  = 10 * time.Second       // the third death in this time is not followed by a new process at once
	freeDeaths   = 2                      // in the window
	firstDelay   = 500 * time.Millisecond // then doubled
	longestDelay = 30 * time.Second
)

// backoff says how long to wait before what died is started again.
type backoff struct {
	deaths []time.Time // in the last deathWindow
	delay  time.Duration
	since  time.Time // when what was started last was due
}

// died counts a death and returns the delay. A life longer than deathWindow ends the back-off.
func (b *backoff) died(now time.Time) time.Duration {
	if now.Sub(b.since) > deathWindow {
		b.delay = 0
	}
	kept := b.deaths[:0]
	for _, death := range b.deaths {
		if now.Sub(death) < deathWindow {
			kept = append(kept, death)
		}
	}
	b.deaths = append(kept, now)
	switch {
	case b.delay > 0:
		b.delay = min(2*b.delay, longestDelay)
	case len(b.deaths) > freeDeaths:
		b.delay = firstDelay
	}
	b.since = now.Add(b.delay)
	return b.delay
}
