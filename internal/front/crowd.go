//go:build linux

package front

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// crowdedEvery is how often the log may say that there are too many connections.
const crowdedEvery = 10 * time.Second

// crowd is the connections of all loops together. At their limit the listeners leave epoll, idle connections are closed,
// oldest first, and accepting goes on when there is room.
type crowd struct {
	lanes []*lane
	limit int64
	open  atomic.Int64
	shut  atomic.Int32 // lanes whose entrance is shut
}

func (c *crowd) setLimit(most int) {
	c.limit = int64(most)
	if most == 0 {
		c.limit = math.MaxInt64
	}
}

// enter counts a connection in, or reports false at the limit.
func (c *crowd) enter() bool {
	for {
		open := c.open.Load()
		if open >= c.limit {
			return false
		}
		if c.open.CompareAndSwap(open, open+1) {
			return true
		}
	}
}

// leave counts one out.
func (c *crowd) leave() {
	c.open.Add(-1)
	c.look()
}

// look has the shut entrances opened: there is room, or a connection that could be closed to make some.
func (c *crowd) look() {
	if c.shut.Load() > 0 {
		c.reopen()
	}
}

func (c *crowd) reopen() {
	for _, l := range c.lanes {
		if l.entrance.closed.CompareAndSwap(true, false) {
			c.shut.Add(-1)
			l.loop.Post(l.entrance.reopened)
		}
	}
}

// full reports that somebody waits for room.
func (c *crowd) full() bool { return c.shut.Load() > 0 }

// entrance is where a lane's connections come in.
type entrance struct {
	acceptors []*acceptor
	shut      []*acceptor // out of epoll until there is room
	closed    atomic.Bool // there are such
	reopened  func()

	toldAt       int64 // when the log was told of the crowd
	pauses, gone int   // since then: times that accepting was paused, and idle connections closed
}

func (e *entrance) isShut(a *acceptor) bool { return slices.Contains(e.shut, a) }

// shut leaves the listener alone until a connection has gone. One that went since we looked has not seen that we wait.
func (l *lane) shut(a *acceptor) {
	a.unwatch()
	crowd := &l.front.crowd
	l.entrance.shut = append(l.entrance.shut, a)
	if !l.entrance.closed.Swap(true) {
		crowd.shut.Add(1)
	}
	if crowd.open.Load() < crowd.limit {
		crowd.reopen()
		return
	}
	l.front.makeRoomBeside(l, l)
}

// reopen looks at the listeners again.
func (l *lane) reopen() {
	for _, a := range l.entrance.shut {
		a.watch()
	}
	l.entrance.shut = l.entrance.shut[:0]
}

// makeRoom closes the connection that has been idle longest, and says now and then that it must.
func (l *lane) makeRoom(reason string) bool {
	made := l.closeOldest()
	e := &l.entrance
	if made {
		e.gone++
	} else {
		e.pauses++
	}
	if now := l.loop.Clock.Nanos; e.toldAt == 0 || now-e.toldAt >= int64(crowdedEvery) {
		l.options.Log.Warn("accept limited", "reason", reason, "open", l.front.crowd.open.Load(), "idle_closed", e.gone,
			"pauses", e.pauses)
		e.toldAt, e.gone, e.pauses = now, 0, 0
	}
	return made
}

// closeOldest closes the connection that has been idle longest, else the one that has lingered longest: it has had its last
// reply. It reports false when there is neither.
func (l *lane) closeOldest() bool {
	for {
		c, ok := l.keepAlive.Oldest().(*conn)
		if !ok {
			return l.closeLingering()
		}
		c.readable = true
		c.read() // its next request may have come already
		if c.timer.In(l.keepAlive) {
			c.close()
		}
		if c.phase == phaseClosed {
			return true
		}
	}
}

func (l *lane) closeLingering() bool {
	c, ok := l.linger.Oldest().(*conn)
	if ok {
		c.close()
	}
	return ok
}

// makeRoomBeside has the other loops, one after the other, close a connection that idles there.
func (f *Front) makeRoomBeside(origin, after *lane) {
	next := f.lanes[(slices.Index(f.lanes, after)+1)%len(f.lanes)]
	if next == origin {
		return
	}
	next.loop.Post(func() {
		if !next.closeOldest() {
			f.makeRoomBeside(origin, next)
		}
	})
}
