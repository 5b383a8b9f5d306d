//go:build linux

package front

import (
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/loop"
)

const (
	// acceptAgain is when a listener is looked at again after the process ran out of descriptors.
	acceptAgain = 100 * time.Millisecond
	// acceptBatch bounds the connections taken per event, so that those already there get their turn.
	acceptBatch = 64
)

// acceptor takes connections from one listener.
type acceptor struct {
	lane     *lane
	listener *listen.Listener
	index    uint16
	token    loop.Token
	timer    loop.Timer
}

func (l *lane) accept(listener *listen.Listener, index int) {
	if l.drained != nil {
		return
	}
	a := &acceptor{lane: l, listener: listener, index: uint16(index)}
	l.entrance.acceptors = append(l.entrance.acceptors, a)
	a.watch()
}

func (a *acceptor) watch() {
	var err error
	a.token, err = a.lane.loop.Add(a.listener.FD, a, loop.Listener)
	a.lane.front.logged("watching a listener", err)
}

// unwatch leaves the listener alone: it would be reported ready again and again.
func (a *acceptor) unwatch() {
	a.lane.front.logged("leaving a listener", a.lane.loop.Forget(a.listener.FD, a.token))
}

// unaccept takes no connections any more.
func (l *lane) unaccept() {
	for _, a := range l.entrance.acceptors {
		if a.timer.In(l.retry) {
			a.timer.Stop()
		} else if !l.entrance.isShut(a) {
			a.unwatch()
		}
	}
	l.entrance.acceptors, l.entrance.shut = nil, nil
}

// Ready implements [loop.Handler].
func (a *acceptor) Ready(uint32) {
	l := a.lane
	for range acceptBatch {
		if !l.front.crowd.enter() {
			if !a.someoneWaits() {
				return
			}
			if !l.makeRoom("max_connections") {
				l.shut(a)
				return
			}
			continue
		}
		fd, peer, errno := a.listener.Accept()
		if errno == 0 {
			l.opened(fd, peer, a.index)
			continue
		}
		l.front.crowd.leave()
		switch errno {
		case unix.EAGAIN:
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			if !a.someoneWaits() {
				return
			}
			if !l.makeRoom(errno.Error()) {
				a.pause()
				return
			}
		default: // the client left before we came
		}
	}
}

// someoneWaits reports whether the backlog has a connection: nobody is sent away for the sake of nobody.
func (a *acceptor) someoneWaits() bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(a.listener.FD), Events: unix.POLLIN}}, 0)
	return n > 0
}

// pause leaves the listener alone for a moment.
func (a *acceptor) pause() {
	a.unwatch()
	a.lane.retry.Set(&a.timer, a)
	a.lane.front.makeRoomBeside(a.lane, a.lane)
}

// Expired implements [loop.Expirer].
func (a *acceptor) Expired(*loop.Class) { a.watch() }
