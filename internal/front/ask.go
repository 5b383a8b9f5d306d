//go:build linux

package front

import (
	"context"
)

// mostAsked bounds the questions that wait for one loop.
const mostAsked = 16

// askOne has loop i call answer, unless it hangs and is asked too much already.
func (f *Front) askOne(i int, answer func(*lane)) bool {
	l := f.lanes[i]
	if l.asked.Add(1) > mostAsked {
		l.asked.Add(-1)
		return false
	}
	l.loop.Post(func() {
		l.asked.Add(-1)
		answer(l)
	})
	return true
}

// ask has every loop call answer, with its number, and reports whether all have done so before the end of ctx.
func (f *Front) ask(ctx context.Context, answer func(int, *lane)) bool {
	answered := make(chan struct{}, len(f.lanes))
	for i := range f.lanes {
		if !f.askOne(i, func(l *lane) { answer(i, l); answered <- struct{}{} }) {
			return false
		}
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
