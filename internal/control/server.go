//go:build linux

package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/wire"
)

const (
	// patience is how long a client may take to send its request, and to take its answer.
	patience = 5 * time.Second
	// askPatience is how long a client may take to ask where it is told in any case.
	askPatience = time.Second
	// headRoom is the longest request in bytes.
	headRoom = 8 << 10
	// goneEvery is how often it is seen whether a client that waits for its answer is still there.
	goneEvery = time.Second
	// lastWords is how long clients may take to read their answers and close.
	lastWords = time.Second
	// tellEvery is how often the log may be told of strangers.
	tellEvery = 10 * time.Second
	// acceptAgain is when a listener is looked at again after it failed, for want of descriptors for instance.
	acceptAgain = 100 * time.Millisecond
)

// request is what a client wants. It has no body.
type request struct {
	method, path, query string
}

// reply is the answer, after which the connection ends.
type reply struct {
	status int
	kind   string // of the body
	allow  string // the methods that there are, with 405
	body   []byte
}

// server answers one request on each connection. Every connection has a goroutine of its own, of which there are so many and
// no more: a new one takes the place of the one that has been silent longest. A client can hang, send anything or leave: it
// costs nobody else.
type server struct {
	listener net.Listener
	remove   func()
	admit    func(net.Conn) error // nil: everybody is
	answer   func(context.Context, request) reply
	say      func(context.Context) []byte // in place of answer: whoever connects is told this
	hears    bool                         // after it has asked, whatever it was
	log      *slog.Logger

	mu      sync.Mutex
	idle    []net.Conn // that have not sent their request yet, or have their answer; oldest first
	toldAt  time.Time  // when the log was told of a stranger
	refused int        // since then
	places  chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	all     sync.WaitGroup
}

// newServer serves on a listener until close, most connections at a time.
func newServer(l net.Listener, remove func(), most int, log *slog.Logger) *server {
	s := &server{listener: l, remove: remove, log: log, places: make(chan struct{}, most)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// open listens on an address of the kind that the application has.
func open(ctx context.Context, address listen.Address, options listen.Options) (net.Listener, *listen.Listener, error) {
	l, err := listen.Open(ctx, address, options)
	if err != nil {
		return nil, nil, err
	}
	listener, err := accepting(l)
	return listener, l, err
}

// accepting is an open listener as the net package has it. It is closed in case of an error.
func accepting(l *listen.Listener) (net.Listener, error) {
	remove := func() { _ = l.Close() }
	descriptor, err := unix.FcntlInt(uintptr(l.FD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		remove()
		return nil, err
	}
	file := os.NewFile(uintptr(descriptor), "listener")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		remove()
		return nil, err
	}
	return listener, nil
}

// run accepts until close.
func (s *server) run() {
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			s.take(c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			time.Sleep(acceptAgain)
		}
	}
}

func (s *server) take(c net.Conn) {
	select {
	case s.places <- struct{}{}:
	default:
		if !s.closeOldest() {
			_ = c.Close()
			return
		}
		s.places <- struct{}{}
	}
	s.setIdle(c, true)
	s.all.Add(1)
	go func() {
		defer func() {
			s.linger(c)
			s.setIdle(c, false)
			_ = c.Close()
			<-s.places
			s.all.Done()
		}()
		s.serve(c)
	}()
}

// closeOldest makes room. It reports false when all have been heard, and wait for their answers.
func (s *server) closeOldest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return false
	}
	_ = s.idle[0].Close()
	s.idle = s.idle[1:]
	return true
}

// setIdle says whether the connection may be closed for the sake of a new one: nobody works on an answer to it. It returns what was
// said before, which is false also of one that has been closed so.
func (s *server) setIdle(c net.Conn, idle bool) (before bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	s.idle = slices.DeleteFunc(s.idle, func(other net.Conn) bool { return other == c })
	before = len(s.idle) < n
	if idle {
		s.idle = append(s.idle, c)
	}
	return before
}

// linger lets the client read its answer: closed with bytes of the client's unread, the socket would be reset.
func (s *server) linger(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	s.setIdle(c, true)
	_ = c.SetDeadline(time.Now().Add(lastWords))
	_, _ = io.CopyN(io.Discard, c, 1<<20)
}

// close ends what waits for its answer with what there is to say at the end, and returns when it is said.
func (s *server) close() {
	_ = s.listener.Close()
	s.remove()
	s.cancel()
	told := make(chan struct{})
	go func() {
		s.all.Wait()
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(lastWords):
	}
}

func (s *server) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if s.admit != nil {
		var stranger *stranger
		err := s.admit(c)
		if errors.As(err, &stranger) {
			s.tell(stranger)
			s.write(c, reply{status: 403, body: []byte("You may not control this server.\n")}, false)
		}
		if err != nil {
			return
		}
	}
	if s.say != nil {
		s.tellAll(c)
		return
	}
	q, headOnly, refusal := readRequest(c)
	if refusal != nil {
		if refusal.Status != 0 {
			s.write(c, reply{status: refusal.Status, body: []byte(refusal.Error() + "\n")}, headOnly)
		}
		return
	}
	if !s.setIdle(c, false) {
		return // closed for another one, who waits for its place
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go watch(ctx, c, cancel)
	answer := s.answer(ctx, q)
	_ = c.SetDeadline(time.Now().Add(patience))
	s.write(c, answer, headOnly)
}

// tellAll says what there is to say. A client of HTTP may take what comes before its request for a mistake; one that asks nothing
// is told all the same. Who reads none of it makes room for the next, as one that is silent does.
func (s *server) tellAll(c net.Conn) {
	if s.hears {
		_ = c.SetReadDeadline(time.Now().Add(askPatience))
		_, _, _ = readRequest(c)
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	text := s.say(ctx)
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write(text)
}

// stranger is somebody who may not be here.
type stranger struct{ who string }

func (e *stranger) Error() string { return e.who }

// tell logs a stranger; they cannot fill the log.
func (s *server) tell(e *stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused++; time.Since(s.toldAt) > tellEvery {
		s.log.Warn("control refused", "why", e.who, "times", s.refused)
		s.toldAt, s.refused = time.Now(), 0
	}
}

// readRequest reads a head. A refusal without status is a client that left or hangs.
func readRequest(c net.Conn) (q request, headOnly bool, refusal *http1.Error) {
	memory := make([]byte, headRoom)
	var parser http1.Parser
	head := wire.Head{Fields: make([]wire.Field, 0, 64)}
	for n := 0; n < len(memory); {
		got, err := c.Read(memory[n:])
		n += got
		length, refusal := parser.Parse(memory[:n], &http1.Limits{Fields: cap(head.Fields)}, &head)
		switch {
		case refusal != nil:
			return q, false, refusal
		case length > 0:
			return request{string(head.Method.Of(memory)), string(head.Path.Of(memory)), string(head.Query.Of(memory))}, head.HeadOnly, nil
		case err != nil:
			return q, false, &http1.Error{}
		}
	}
	return q, false, http1.ErrHeadLong
}

// watch ends the wait of a client that has gone. One that has only ended its side has not.
func watch(ctx context.Context, c net.Conn, gone func()) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	tick := time.NewTicker(goneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = raw.Control(func(fd uintptr) {
			events := []unix.PollFd{{Fd: int32(fd)}}
			if n, _ := unix.Poll(events, 0); n > 0 && events[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
				gone()
			}
		})
	}
}

// reasons are those that http1 has not.
var reasons = map[int]string{200: "OK", 202: "Accepted"}

func (s *server) write(c net.Conn, r reply, headOnly bool) {
	reason := reasons[r.status]
	if reason == "" {
		reason = http1.Reason(r.status)
	}
	if r.kind == "" {
		r.kind = "text/plain; charset=utf-8"
	}
	out := "HTTP/1.1 " + strconv.Itoa(r.status) + " " + reason + "\r\nDate: " + time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") +
		"\r\nServer: speyside\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: " + r.kind +
		"\r\nContent-Length: " + strconv.Itoa(len(r.body)) + "\r\n"
	if r.allow != "" {
		out += "Allow: " + r.allow + "\r\n"
	}
	out += "\r\n"
	if !headOnly {
		out += string(r.body)
	}
	_, _ = c.Write([]byte(out))
}
