//go:build linux

package loop

import (
	"testing"
	"time"
)

// presses is an idler that is pressing.
type presses struct{ punctual }

func (presses) Pressing() bool { return true }

// far is what more than a minute counts as.
const far = 60_000

type nobody struct{}

func (nobody) Expired(*Class) {}

func TestLoopBlocksBeyondATickAfterActivityAndNeverBeyondATimer(t *testing.T) {
	for _, c := range []struct {
		what  string
		busy  bool
		idler Idler
		timer time.Duration // 0: none is set
		limit int
		raw   bool
	}{
		{"nothing has come and no timer is set", false, nil, 0, -1, false},
		{"nothing has come and a timer is set", false, nil, time.Hour, far, false},
		{"something has come", true, nil, 0, 8, true},
		{"something has come and a timer is far", true, nil, time.Hour, 8, true},
		{"something has come and a timer is overdue", true, nil, time.Nanosecond, 0, true},
		{"somebody sleeps though requests wait", false, presses{}, time.Hour, 1, true},
	} {
		l := &Loop{busy: c.busy, idler: c.idler}
		l.Clock.tick()
		if class := l.NewClass(c.timer); c.timer > 0 {
			class.Set(&Timer{}, nobody{})
		}
		limit, raw := l.patience()
		if limit = min(limit, far); limit != c.limit || raw != c.raw {
			t.Errorf("%s: %d ms, raw %t; want %d, %t", c.what, limit, raw, c.limit, c.raw)
		}
	}
}
