//go:build linux

package front_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

// answer reads everything until the connection ends.
func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	all, err := io.ReadAll(c)
	check(t, err)
	return string(all)
}

func is408(answer string) bool { return bytes.HasPrefix([]byte(answer), []byte("HTTP/1.1 408 ")) }

func TestHeadHasItsTimeFromTheAccept(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.HeaderTimeout = 200 * time.Millisecond })
	began, c := time.Now(), w.dial()
	go func() {
		for range 100 { // bytes that come do not prolong it
			time.Sleep(20 * time.Millisecond)
			if _, err := c.Write([]byte("G")); err != nil {
				return
			}
		}
	}()
	if got := answer(t, c); !is408(got) {
		t.Errorf("got %q", got)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := answer(t, w.dial()); got != "" {
		t.Errorf("a client that sent nothing got %q", got)
	}
}

func TestSecondHeadHasItsTimeFromItsFirstByte(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.HeaderTimeout = 200 * time.Millisecond })
	w.work(0, hello)
	c := w.dial()
	r := bufio.NewReader(c)
	for range 2 {
		fmt.Fprint(c, get)
		w.read(r)
		time.Sleep(300 * time.Millisecond) // idle: the time of keepalive, not that of a head
	}
	fmt.Fprint(c, "GET / HTTP/1.1\r\n")
	if reply, _ := w.read(r); reply.StatusCode != 408 || !reply.Close {
		t.Errorf("got %v", reply)
	}
}

func TestHeadThatWaitedForASlotIsNotLate(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.HeaderTimeout = 100 * time.Millisecond })
	var clients []net.Conn
	for range 100 { // more than there are slots
		c := w.dial()
		fmt.Fprint(c, get)
		clients = append(clients, c)
	}
	time.Sleep(300 * time.Millisecond)
	w.work(0, hello)
	for i, c := range clients {
		if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 200 {
			t.Fatalf("client %d got %v", i, reply)
		}
	}
}

func TestBodyThatDoesNotKeepItsRateIs408(t *testing.T) {
	for _, framing := range []string{"Content-Length: 1000", "Content-Length: 100000", "Transfer-Encoding: chunked"} {
		w := startWith(t, 1, 1, func(o *front.Options) { o.BodyTimeout = 300 * time.Millisecond }) // 150 bytes
		c := w.dial()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", framing)
		for range 10 { // never silent for long
			_, _ = c.Write([]byte("1\r\n1\r\n"))
			time.Sleep(20 * time.Millisecond)
		}
		if got := answer(t, c); !is408(got) {
			t.Errorf("%s: got %q", framing, got)
		}
	}
}

func TestBodyThatKeepsItsRateIsTaken(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.BodyTimeout = 200 * time.Millisecond }) // 100 bytes
	w.work(0, echo)
	for _, size := range []int{3000, 30_000} { // in the slot, and in blocks
		c := w.dial()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
		for sent := 0; sent < size; sent += size / 30 { // over four times the time
			check(t, second(c.Write(make([]byte, size/30))))
			time.Sleep(30 * time.Millisecond)
		}
		if reply, body := w.read(bufio.NewReader(c)); reply.StatusCode != 200 || len(body) != size {
			t.Errorf("got %v with %d bytes", reply, len(body))
		}
	}
}

func second[T any](_ T, err error) error { return err }

// endless replies until its reader is gone, and tells how it learned of that.
func endless(told chan<- int) func(*slottest.Worker, uint32) {
	return func(worker *slottest.Worker, i uint32) {
		worker.Head(i, 200, "200 OK", "", nil, 0)
		worker.Ring(i)
		for worker.Kind(i) == wire.StateStarted {
			if !worker.Room(i) {
				time.Sleep(time.Millisecond)
				continue
			}
			worker.Piece(i, make([]byte, wire.BlockSize))
			worker.Ring(i)
		}
		told <- worker.Kind(i)
		worker.Move(i, wire.StateAbandoned, wire.StateDone)
		worker.Ring(i)
	}
}

func TestReaderThatTakesNothingIsCutAndItsWorkerTold(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.SendTimeout = 200 * time.Millisecond })
	told := make(chan int)
	w.work(0, endless(told))
	c := w.dial()
	fmt.Fprint(c, get)
	if kind := <-told; kind != wire.StateAbandoned {
		t.Errorf("the worker saw state %d", kind)
	}
	if n, err := io.Copy(io.Discard, c); err == nil {
		t.Errorf("the client took %d bytes for a whole reply", n)
	}
}

func TestReaderThatTakesSlowlyIsNotCut(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.SendTimeout = 400 * time.Millisecond })
	told := make(chan int, 1)
	w.work(0, endless(told))
	c := w.dial()
	fmt.Fprint(c, get)
	reply, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
	check(t, err)
	for range 40 { // five times the time; the socket is writable more rarely than that
		time.Sleep(50 * time.Millisecond)
		_, err := io.CopyN(io.Discard, reply.Body, 100_000)
		check(t, err)
	}
	if len(told) > 0 {
		t.Error("it was cut")
	}
	check(t, c.Close())
	<-told
}

func TestStreamedBodyThatStopsIsCutThoughItsReplyHasBegun(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) {
		o.Rest.StreamRequest, o.BodyTimeout = true, 200*time.Millisecond
	})
	worker := w.join(0)
	c := w.dial()
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbegun")
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	worker.Head(i, 200, "200 OK", "", []byte("begun"), 0)
	worker.Ring(i)
	if n, err := io.Copy(io.Discard, c); err == nil {
		t.Errorf("the client took %d bytes for a whole reply", n)
	} else if network, ok := err.(net.Error); ok && network.Timeout() {
		t.Error("it was not cut")
	}
}

func TestReaderThatTakesNothingIsCutThoughItSends(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) {
		o.Rest.StreamRequest, o.SendTimeout = true, 300*time.Millisecond
	})
	told := make(chan int, 1)
	w.work(0, endless(told))
	c := w.dial()
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
	for deadline := time.Now().Add(5 * time.Second); len(told) == 0; time.Sleep(20 * time.Millisecond) {
		if _, _ = c.Write([]byte("more")); time.Now().After(deadline) {
			t.Fatal("it was not cut")
		}
	}
}
