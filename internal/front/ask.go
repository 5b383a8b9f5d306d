//go:build linux

package front

import (
	"context"
)

// mostAsked bounds the questions that wait for one loop.
const mostAsked = 16

// ask has every loop call answer, with its number, and reports whether all have done so before the end of ctx. A loop that
// hangs is not asked for ever.
func (f *Front) ask(ctx context.Context, answer func(int, *lane)) bool {
	answered := make(chan struct{}, len(f.lanes))
	for i, l := range f.lanes {
		if l.asked.Add(1) > mostAsked {
			l.asked.Add(-1)
			return false
		}
		l.loop.Post(func() {
			l.asked.Add(-1)
			answer(i, l)
			answered <- struct{}{}
		})
	}
	for range f.lanes {
		select {
		case <-answered:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
