//go:build linux

// Package loop is an event loop on one thread: descriptors, readiness, timers, and functions posted from elsewhere.
//
// Most callers need [Loop] and [Handler]; [Transport] is how bytes are read and written. The loop knows no protocol and
// nothing of requests. Everything it calls runs on its own goroutine, so a handler needs no lock for what only its loop
// touches, and must not block.
package loop

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events that a handler is told of.
const (
	Readable = unix.EPOLLIN
	Writable = unix.EPOLLOUT
	HalfShut = unix.EPOLLRDHUP // the peer has ended its side
	Gone     = unix.EPOLLHUP | unix.EPOLLERR
)

const (
	batch = 256 // events taken per turn
	// rawWaits is how long the loop waits after activity without telling the Go scheduler, in milliseconds. The next event mostly comes
	// sooner than that, and the scheduler's bookkeeping would cost more than the wait. It is more than a tick of most kernels' clocks (4 ms):
	// a timer before the next tick is written to the processor's own, and again when it is not needed any more, and each time a virtual
	// machine is left. It is less than the 10 ms after which the Go scheduler interrupts whoever has not told it.
	rawWaits = 8
	// pressingWait is how long it waits while the idler is pressing.
	pressingWait = 1
)

// Handler is told of a descriptor's events.
type Handler interface {
	// Ready reports events since the last call (edge-triggered): the handler reads or writes until it would block.
	Ready(events uint32)
}

// Idler joins another source of work to the loop, one that cannot be polled by descriptor alone.
type Idler interface {
	// Turn runs after the events of each turn; n is how many there were, expected work included.
	Turn(n int)
	// Expecting reports that work of this other source will probably come within some tens of microseconds.
	Expecting() bool
	// Rung reports that it has come.
	Rung() bool
	// Sleep is called before the loop blocks and reports whether it may; if so, Awake follows.
	Sleep() bool
	Awake()
	// Nap is how long the loop should look away altogether, after which there is more to do at once; 0 for not at all.
	Nap() time.Duration
	// Pressing reports that the loop should come back within a millisecond even if nothing happens.
	Pressing() bool
}

// Loop is one event loop. Its methods may be called on its own goroutine only, except Post and Stop.
type Loop struct {
	Clock  Clock
	Timers Timers

	epoll   int
	bell    int // eventfd that ends a wait from another goroutine
	entries []entry
	free    []uint32
	events  [batch]unix.EpollEvent
	idler   Idler
	panics  func(any)
	busy    bool // the last wait brought events, or expected work
	staying staying
	overdue bool // timers that have expired were left for this turn

	mu      sync.Mutex
	posted  []func()
	running []func() // the other half of posted, reused
	stopped bool
}

// entry is what a descriptor's number in the kernel's event leads to. The generation tells a stale event, of a descriptor
// closed earlier in the same batch, from one of its successor.
type entry struct {
	handler    Handler
	generation uint32
}

// New returns a loop without descriptors. The idler may be nil; panics is called with what a handler panicked with.
func New(idler Idler, panics func(any)) (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	l := &Loop{epoll: epoll, bell: bell, idler: idler, panics: panics, staying: staying{useful: runtime.NumCPU() > 1}}
	l.Clock.tick()
	// Edge-triggered, an eventfd need not be read: every write to it is a new event.
	if _, err := l.Add(bell, silent{}, unix.EPOLLIN|unix.EPOLLET); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

type silent struct{}

func (silent) Ready(uint32) {}

// AddBell adds a descriptor whose events say nothing but that the idler has work.
func (l *Loop) AddBell(fd int) error {
	_, err := l.Add(fd, silent{}, unix.EPOLLIN|unix.EPOLLET)
	return err
}

// Socket is the event mask of a connection: both directions, once, edge-triggered. It is never changed.
const Socket = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// Listener is the event mask of a listening socket: level-triggered, and of several loops one is woken.
const Listener = unix.EPOLLIN | unix.EPOLLEXCLUSIVE

// Add begins to watch fd. The token is for Remove.
func (l *Loop) Add(fd int, h Handler, events uint32) (Token, error) {
	token := l.newToken(h)
	event := unix.EpollEvent{Events: events, Fd: int32(token.index), Pad: int32(token.generation)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.epoll), unix.EPOLL_CTL_ADD, uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		l.drop(token)
		return token, fmt.Errorf("watching descriptor %d: %w", fd, errno)
	}
	return token, nil
}

// Token names a watched descriptor.
type Token struct{ index, generation uint32 }

func (l *Loop) newToken(h Handler) Token {
	if n := len(l.free); n > 0 {
		index := l.free[n-1]
		l.free = l.free[:n-1]
		l.entries[index].handler = h
		return Token{index, l.entries[index].generation}
	}
	l.entries = append(l.entries, entry{handler: h})
	return Token{uint32(len(l.entries) - 1), 0}
}

func (l *Loop) drop(t Token) {
	l.entries[t.index].handler = nil
	l.entries[t.index].generation++
	l.free = append(l.free, t.index)
}

// Remove stops watching fd and closes it.
func (l *Loop) Remove(fd int, t Token) {
	l.drop(t)
	// Closing the last descriptor of a file takes it out of the epoll set.
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// Forget stops watching fd and leaves it open.
func (l *Loop) Forget(fd int, t Token) error {
	l.drop(t)
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// Post runs f on the loop's goroutine, soon. It may be called from anywhere; after Stop it does nothing.
func (l *Loop) Post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	l.ring()
}

// Stop makes Run return after the turn in hand.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.ring()
}

func (l *Loop) ring() { _, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// Close gives the loop's own descriptors back, after Run has returned.
func (l *Loop) Close() error { return errors.Join(unix.Close(l.epoll), unix.Close(l.bell)) }

// Run turns until Stop. It locks its goroutine to a thread: epoll is called without the scheduler's knowledge.
func (l *Loop) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		n, err := l.wait()
		if err != nil {
			return err
		}
		came := n
		if l.staying.last {
			came++ // what it stayed awake for
		}
		l.busy = came > 0
		l.Clock.tick()
		for i := range n {
			l.deliver(&l.events[i])
		}
		if l.runPosted() {
			return nil
		}
		l.expire()
		if l.idler != nil {
			l.turn(came)
		}
	}
}

// deliver guards each event by itself: what one connection makes panic costs that connection's event, not the server.
func (l *Loop) deliver(event *unix.EpollEvent) {
	defer l.recovered()
	e := &l.entries[event.Fd]
	if e.handler != nil && e.generation == uint32(event.Pad) {
		e.handler.Ready(event.Events)
	}
}

func (l *Loop) guard(f func()) {
	defer l.recovered()
	f()
}

func (l *Loop) recovered() {
	if p := recover(); p != nil {
		l.panics(p)
	}
}

func (l *Loop) expire() {
	defer l.recovered()
	l.overdue = true // until it is known: an owner may panic
	l.overdue = l.Timers.expire(l.Clock.Nanos)
}

func (l *Loop) turn(n int) {
	defer l.recovered()
	l.idler.Turn(n)
}

func (l *Loop) runPosted() (stopped bool) {
	l.mu.Lock()
	if len(l.posted) == 0 && !l.stopped {
		l.mu.Unlock()
		return false
	}
	l.running, l.posted = l.posted, l.running[:0]
	stopped = l.stopped
	l.mu.Unlock()
	for i, f := range l.running {
		l.guard(f)
		l.running[i] = nil
	}
	return stopped
}

// wait returns the number of events. It blocks only while the idler agrees.
func (l *Loop) wait() (int, error) {
	if l.overdue {
		return l.rawWait(0)
	}
	sleeping := l.idler != nil
	if sleeping {
		if nap := l.idler.Nap(); nap > 0 {
			rawSleep(nap)
			return l.rawWait(0)
		}
		if l.stay() {
			return 0, nil
		}
		if !l.idler.Sleep() {
			return l.rawWait(0)
		}
	}
	n, err := l.block()
	if sleeping {
		l.idler.Awake()
	}
	return n, err
}

func (l *Loop) block() (int, error) {
	limit, raw := l.patience()
	if raw {
		return l.rawWait(limit)
	}
	for {
		n, err := unix.EpollWait(l.epoll, l.events[:], limit)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// patience is how long the loop may block, in milliseconds, -1 for ever, and whether the Go scheduler need not know. Where nothing has come in
// such a wait, the next one is one that it knows of.
func (l *Loop) patience() (limit int, raw bool) {
	if l.idler != nil && l.idler.Pressing() {
		return pressingWait, true
	}
	limit = l.untilTimer()
	if l.busy && (limit < 0 || limit > rawWaits) {
		limit = rawWaits
	}
	return limit, l.busy
}

// untilTimer is how long the loop may block, in milliseconds rounded up; -1 for ever.
func (l *Loop) untilTimer() int {
	next := l.Timers.next()
	if next == 0 {
		return -1
	}
	left := time.Duration(next - l.Clock.now())
	return max(0, int((left+time.Millisecond-1)/time.Millisecond))
}

// rawSleep sleeps behind the scheduler's back, for less than a millisecond. A signal ends it early.
func rawSleep(d time.Duration) {
	span := unix.NsecToTimespec(int64(d))
	_, _, errno := syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&span)), 0, 0)
	if errno == unix.EINTR {
		runtime.Gosched()
	}
}

// rawWait calls epoll_wait behind the scheduler's back, for a millisecond at most. The runtime interrupts it with a signal
// when it wants the thread (a garbage collection, for instance): without giving way then, it would wait for ever.
func (l *Loop) rawWait(milliseconds int) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])),
			batch, uintptr(milliseconds), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			runtime.Gosched()
		default:
			return 0, fmt.Errorf("epoll_pwait: %w", errno)
		}
	}
}
