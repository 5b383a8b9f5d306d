//go:build linux

package arbiter

import "sync"

// letters are events from those who must not wait, in the order in which they came: a request that has come back has been told
// overdue before, and what is told of a dead worker comes before its number is free.
type letters struct {
	mu     sync.Mutex
	unread []func()
}

// mail has the goroutine of Run call event, and does not wait.
func (a *Arbiter) mail(event func()) {
	a.letters.mu.Lock()
	defer a.letters.mu.Unlock()
	if a.letters.unread = append(a.letters.unread, event); len(a.letters.unread) == 1 {
		go a.post(a.readLetters)
	}
}

func (a *Arbiter) readLetters() {
	a.letters.mu.Lock()
	unread := a.letters.unread
	a.letters.unread = nil
	a.letters.mu.Unlock()
	for _, event := range unread {
		event()
	}
}
