//go:build linux

package front_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

func abandonAfter(d time.Duration) func(*front.Options) {
	return func(o *front.Options) { o.AbandonAfter = d }
}

// filled waits until so many requests wait in line.
func (w *world) filled(want int) {
	w.t.Helper()
	n := -1
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n = 0
		for i := range uint32(w.segment.Slots) {
			if w.segment.State(i).Kind() == wire.StateFilled {
				n++
			}
		}
		if n == want {
			return
		}
	}
	w.t.Fatalf("%d requests wait in line instead of %d", n, want)
}

// ask sends a request for a target on a connection of its own.
func (w *world) ask(target string) *net.TCPConn {
	c := w.dial().(*net.TCPConn)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target)
	return c
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// left waits until the worker can see that the client of a request has left.
func (w *world) left(worker *slottest.Worker, i uint32) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); atomic.LoadUint32(&worker.Slot(i).ClientLeft) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("the worker is not told that the client has left")
		}
	}
}

func TestRequestOfAClientThatResetIsDroppedAtOnce(t *testing.T) {
	w := start(t, 1, 1)
	const clients = 200 // more than the window, and more than there are slots
	all := make([]*net.TCPConn, clients)
	for i := range all {
		all[i] = w.ask(fmt.Sprintf("/%d", i))
	}
	w.filled(64)
	for i, c := range all {
		if i != 100 {
			reset(c)
		}
	}
	w.filled(1)
	worker := w.join(0)
	i := w.next(worker)
	if head := string(worker.RequestHead(i)); head[:8] != "GET /100" {
		t.Fatalf("the worker was given %q", head)
	}
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	hello(worker, i)
	if reply, _ := w.read(bufio.NewReader(all[100])); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
	if i, ok := worker.Take(); ok && worker.Claim(i) {
		t.Fatalf("the worker was given %q too", worker.RequestHead(i))
	}
}

func TestRequestIsDroppedAWhileAfterItsClientHasEnded(t *testing.T) {
	w := startWith(t, 1, 1, abandonAfter(200*time.Millisecond))
	c := w.ask("/")
	w.filled(1)
	began := time.Now()
	check(t, c.CloseWrite())
	reply, _ := w.read(bufio.NewReader(c))
	if took := time.Since(began); reply.StatusCode != 503 || reply.Header.Get("Retry-After") == "" || took < 200*time.Millisecond {
		t.Fatalf("got %v after %v", reply, took)
	}
	w.filled(0)
	worker := w.join(0)
	if i, ok := worker.Take(); ok && worker.Claim(i) {
		t.Fatal("the worker was given the request")
	}
}

func TestRequestThatHasBegunIsAnsweredHoweverLongAgoItsClientHasEnded(t *testing.T) {
	w := startWith(t, 1, 1, abandonAfter(50*time.Millisecond))
	worker := w.join(0)
	c := w.ask("/")
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	if atomic.LoadUint32(&worker.Slot(i).ClientLeft) != 0 {
		t.Fatal("a client that is there has left")
	}
	check(t, c.CloseWrite())
	w.left(worker, i)
	time.Sleep(200 * time.Millisecond) // the application takes that long
	hello(worker, i)
	if reply, body := w.read(bufio.NewReader(c)); reply.StatusCode != 200 || body != "Hello World !" {
		t.Fatalf("got %v", reply)
	}
}

func TestZeroKeepsARequestInLineWhenItsClientHasEnded(t *testing.T) {
	w := startWith(t, 1, 1, abandonAfter(0))
	c := w.ask("/")
	check(t, c.CloseWrite())
	w.filled(1)
	check(t, c.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	if n, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Fatalf("%d bytes and %v while no worker was there", n, err)
	}
	check(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	worker := w.join(0)
	i := w.next(worker)
	w.left(worker, i) // it was before the request was handed over, perhaps
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	hello(worker, i)
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
}

func TestSlotOfAClientThatLeftSaysNothingAboutTheNextOne(t *testing.T) {
	w := startWith(t, 1, 1, abandonAfter(0))
	worker := w.join(0)
	serve := func() {
		i := w.next(worker)
		worker.Move(i, wire.StateClaimed, wire.StateStarted)
		hello(worker, i)
	}
	for range 3 {
		c := w.ask("/")
		check(t, c.CloseWrite())
		serve()
		w.read(bufio.NewReader(c))
		k := w.keep()
		fmt.Fprint(k, get)
		i := w.next(worker)
		if atomic.LoadUint32(&worker.Slot(i).ClientLeft) != 0 {
			t.Fatal("the client has left before it came")
		}
		worker.Move(i, wire.StateClaimed, wire.StateStarted)
		hello(worker, i)
		w.read(k.r)
	}
}

func TestRequestThatWaitsForASlotIsDroppedToo(t *testing.T) {
	w := startWith(t, 1, 1, abandonAfter(200*time.Millisecond))
	for i := range 64 { // all slots
		w.ask(fmt.Sprintf("/%d", i))
	}
	w.filled(64)
	asked, silent := w.ask("/waits"), w.dial().(*net.TCPConn)
	for _, c := range []*net.TCPConn{asked, silent} {
		check(t, c.CloseWrite())
	}
	if reply, _ := w.read(bufio.NewReader(asked)); reply.StatusCode != 503 {
		t.Fatalf("got %v", reply)
	}
	if n, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("%d bytes and %v for a client that has asked nothing", n, err)
	}
	w.filled(64) // nobody else was dropped
}

func TestPipelinedRequestsOfAClientThatHasEndedAreAllAnswered(t *testing.T) {
	w := startWith(t, 1, 1, abandonAfter(300*time.Millisecond))
	w.work(0, func(worker *slottest.Worker, i uint32) {
		time.Sleep(50 * time.Millisecond) // 500 ms together
		hello(worker, i)
	})
	c := w.dial().(*net.TCPConn)
	for range 10 {
		fmt.Fprint(c, get)
	}
	check(t, c.CloseWrite())
	r := bufio.NewReader(c)
	for n := range 10 {
		if reply, _ := w.read(r); reply.StatusCode != 200 {
			t.Fatalf("reply %d is %v", n, reply)
		}
	}
}

func TestDrainEndsWithTheLastRequestThoughItsClientHasLeftBefore(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.ask("/")
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	reset(c)
	w.left(worker, i)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- w.front.Drain(ctx) }()
	select {
	case err := <-drained:
		t.Fatalf("drained with %v while a request is with a worker", err)
	case <-time.After(100 * time.Millisecond):
	}
	worker.Move(i, wire.StateAbandoned, wire.StateDone)
	worker.Ring(i)
	check(t, <-drained)
}
