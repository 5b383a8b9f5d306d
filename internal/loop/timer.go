//go:build linux

package loop

import "time"

// Timer is an instant at which its owner wants to be told. It lies within its owner and belongs to one class at a time.
type Timer struct {
	next, prev *Timer
	class      *Class
	at         int64
	owner      Expirer
}

// Expirer is told that its timer has expired; the timer is off by then.
type Expirer interface{ Expired(class *Class) }

// Class is a list of timers of the same duration. Since all run equally long, the list is in order of expiry and setting
// or stopping one touches its neighbours only.
type Class struct {
	root     Timer // of a ring
	duration int64
	loop     *Loop
}

// Timers are the classes of a loop.
type Timers struct{ classes []*Class }

// NewClass makes a class; a duration of 0 never expires.
func (l *Loop) NewClass(d time.Duration) *Class {
	c := &Class{duration: int64(d), loop: l}
	c.root.next, c.root.prev = &c.root, &c.root
	l.Timers.classes = append(l.Timers.classes, c)
	return c
}

// Change gives the class another duration, for the timers that run in it as well; with 0 they do not expire any more.
func (c *Class) Change(d time.Duration) {
	longer := int64(d) - c.duration
	c.duration = int64(d)
	for t := c.root.next; t != &c.root; {
		next := t.next
		if t.at += longer; d == 0 {
			t.Stop()
		}
		t = next
	}
}

// Set starts t anew, whatever it was set to before.
func (c *Class) Set(t *Timer, owner Expirer) {
	t.Stop()
	if c.duration == 0 {
		return
	}
	t.class, t.owner, t.at = c, owner, c.loop.Clock.Nanos+c.duration
	t.prev, t.next = c.root.prev, &c.root
	t.prev.next, t.next.prev = t, t
}

// Stop turns t off; a timer that is off stays so.
func (t *Timer) Stop() {
	if t.class == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.class, t.next, t.prev, t.owner = nil, nil, nil, nil
}

// Oldest returns the owner of the timer that was set first; nil when none is set.
func (c *Class) Oldest() Expirer { return c.root.next.owner }

// In reports whether t runs in class c.
func (t *Timer) In(c *Class) bool { return t.class == c }

// next is when the first timer expires; 0 for never.
func (t *Timers) next() int64 {
	first := int64(0)
	for _, c := range t.classes {
		if head := c.root.next; head != &c.root && (first == 0 || head.at < first) {
			first = head.at
		}
	}
	return first
}

// expireBatch bounds the timers of a class that expire per turn: a thousand clients that came together are late together,
// and the others must not wait for all that is to be done about them.
const expireBatch = 32

// expire tells the owners of what has expired, and reports whether some are left for the next turn.
func (t *Timers) expire(now int64) (more bool) {
	for _, c := range t.classes {
		left := expireBatch
		for head := c.root.next; head != &c.root && head.at <= now; head = c.root.next {
			if left--; left < 0 {
				more = true
				break
			}
			owner := head.owner
			head.Stop()
			owner.Expired(c)
		}
	}
	return more
}
