//go:build linux

package dispatch

import (
	"testing"
	"time"
)

// word is what a worker stores: tenths of seconds, and a count.
func word(tenths, count uint32) uint32 { return tenths<<8 | count }

func TestTheTimeOfAnApplicationBeginsWithTheScanThatSeesIt(t *testing.T) {
	var l limited
	at := func(tenths int64) int64 { return 1 + tenths*int64(time.Second/10) }
	for _, step := range []struct {
		word uint32
		at   int64
		over bool
	}{
		{0, at(0), false},
		{0, at(1000), false},           // none was set
		{word(20, 1), at(1000), false}, // 2 s from now
		{word(20, 1), at(1019), false},
		{word(20, 2), at(1019), false}, // the same once more
		{word(20, 2), at(1030), false},
		{word(0, 3), at(1030), false}, // taken back
		{word(0, 3), at(9000), false},
		{word(5, 4), at(9000), false},
		{word(5, 4), at(9005), true},
	} {
		if over := l.over(step.word, step.at); over != step.over {
			t.Errorf("%+v: %v", step, over)
		}
	}
}
