//go:build linux

package front_test

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

const (
	style  = "Link: </style.css>; rel=preload\r\n\r\n"
	script = "Link: </script.js>; rel=preload\r\nX-A: b\r\n\r\n"
	line   = "HTTP/1.1 103 Early Hints\r\n"
)

// begin has a worker start the next request.
func (w *world) begin(worker *slottest.Worker) uint32 {
	w.t.Helper()
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	return i
}

// expect reads exactly these bytes.
func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("got %.200q, %d bytes, and %v instead of %.200q", got, n, err, want)
	}
}

// untaken waits until all blocks of the worker are free again.
func untaken(t *testing.T, worker *slottest.Worker) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); worker.Taken() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d blocks are still taken", worker.Taken())
		}
	}
}

func TestHintsComeBeforeTheReplyEachByItself(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	k := w.keep()
	for range 3 {
		fmt.Fprint(k, get)
		i := w.begin(worker)
		worker.Hint(i, style)
		worker.Ring(i)
		expect(t, k.r, line+style) // before anything else comes
		worker.Hint(i, script)
		worker.Hint(i, style)
		hello(worker, i) // all three with one bell
		expect(t, k.r, line+script+line+style)
		if reply, body := w.read(k.r); reply.StatusCode != 200 || body != "Hello World !" {
			t.Fatalf("got %v with %q", reply, body)
		}
		untaken(t, worker)
	}
}

func TestHintsOfAReplyThatTheClientTakesSlowlyHoldNoBlock(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.ask("/")
	i := w.begin(worker)
	worker.Hint(i, style)
	worker.Head(i, 200, "200 OK", "", nil, 0)
	worker.Ring(i)
	untaken(t, worker) // the reply goes on
	r := bufio.NewReader(c)
	expect(t, r, line+style+"HTTP/1.1 200 OK\r\n")
}

func TestHintsBeforeAFailureComeBeforeIt(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.ask("/")
	i := w.begin(worker)
	worker.Hint(i, style)
	worker.Slot(i).ReplyFlags = wire.ReplyCut
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
	expect(t, c, line+style+"HTTP/1.1 500 Internal Server Error\r\n")
	untaken(t, worker)
}

func TestHintsAreNotForHTTP10(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.dial()
	fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
	i := w.begin(worker)
	worker.Hint(i, style)
	hello(worker, i)
	expect(t, c, "HTTP/1.1 200 OK\r\n")
	untaken(t, worker)
}

func TestHintsOfAClientThatHasGoneAreGivenBack(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.ask("/")
	i := w.begin(worker)
	reset(c)
	w.left(worker, i)
	worker.Hint(i, style)
	worker.Move(i, wire.StateAbandoned, wire.StateDone)
	worker.Ring(i)
	untaken(t, worker)
}

func TestHintsThatCannotBeCostTheirRequestOnly(t *testing.T) {
	for name, spoil := range map[string]func(*wire.Slot){
		"longer than a block":    func(s *wire.Slot) { s.Hints = wire.BlockSize + 1 },
		"another worker's block": func(s *wire.Slot) { s.HintBlock, s.Hints = 1<<20, 10 },
	} {
		w := start(t, 1, 1)
		worker := w.join(0)
		c := w.ask("/")
		i := w.begin(worker)
		spoil(worker.Slot(i))
		worker.Ring(i)
		if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 502 {
			t.Errorf("%s: got %v", name, reply)
		}
	}
}

func TestLateHintsWaitForTheClient(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.dial()
	body := strings.Repeat("b", 15000)
	fmt.Fprint(c, strings.Repeat(get, 600)) // 18 MB are more than the kernel keeps
	large := "X: " + strings.Repeat("x", 15000) + "\r\n\r\n"
	go func() {
		for range 600 {
			i := w.begin(worker)
			worker.Hint(i, large)
			worker.Head(i, 200, "200 OK", "", []byte(body), 0)
			worker.Move(i, wire.StateStarted, wire.StateDone)
			worker.Ring(i)
		}
	}()
	time.Sleep(300 * time.Millisecond) // the client's pace
	r := bufio.NewReader(c)
	for range 600 {
		expect(t, r, line+large)
		if reply, got := w.read(r); reply.StatusCode != 200 || got != body {
			t.Fatalf("got %v with %d bytes", reply, len(got))
		}
	}
	untaken(t, worker)
}

func TestHintsThatTheClientHasNotTakenComeBeforeAReplyThatIsParked(t *testing.T) {
	w, spooled := spooling(t, 0)
	worker := w.join(0)
	worker.AwaitRoom(true) // else what is done is parked after a second only
	c := w.dialUnix()
	const count = 40 // 600 kB are more than the kernel keeps
	fmt.Fprint(c, strings.Repeat(get, count))
	body := strings.Repeat("b", 15000) // it is what fills the kernel's memory, so it is hints that do not fit
	go func() {
		for range count {
			i := w.begin(worker)
			worker.Hint(i, style)
			worker.Head(i, 200, "200 OK", "", []byte(body), 0)
			worker.Move(i, wire.StateStarted, wire.StateDone)
			worker.Ring(i)
		}
	}()
	eventually(t, "the reply behind the hints is parked", func() bool { return spooled() > 0 })
	r := bufio.NewReader(c)
	for range count {
		expect(t, r, line+style)
		if reply, got := w.read(r); reply.StatusCode != 200 || got != body {
			t.Fatalf("got %v with %d bytes", reply, len(got))
		}
	}
}
