//go:build linux

package front_test

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

func checked(o *front.Options) { o.LivePath, o.ReadyPath = "/-/live", "/-/ready" }

// expectCheck asks on a connection of its own.
func (w *world) expectCheck(path string, status int, body string) {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
	reply, got := w.read(bufio.NewReader(c))
	if reply.StatusCode != status || got != body || reply.Header.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("%s: got %d %q %v, want %d %q", path, reply.StatusCode, got, reply.Header, status, body)
	}
}

func TestServerIsReadyWhileAWorkerIsUpAndASlotIsFree(t *testing.T) {
	w := startWith(t, 1, 1, checked)
	w.expectCheck("/-/live", 200, "ok\n")
	w.expectCheck("/-/ready", 503, "not ready: no worker is up\n")
	w.generation.WorkerReady(0)
	w.expectCheck("/-/ready?from=lb", 200, "ok\n")
	for range 64 { // every slot, and nobody serves
		fmt.Fprint(w.dial(), get)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if why := w.front.Unready(context.Background()); why == front.NotReadySaturated {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("with every slot in use it is unready because %q", why)
		}
	}
	waiting := w.dial()
	fmt.Fprint(waiting, get) // waits for a slot
	w.expectCheck("/-/ready", 503, "not ready: every slot is in use\n")
	w.expectCheck("/-/live", 200, "ok\n")
	w.work(0, hello)
	if reply, _ := w.read(bufio.NewReader(waiting)); reply.StatusCode != 200 {
		t.Errorf("the request that waited for a slot got %d", reply.StatusCode)
	}
	w.expectCheck("/-/ready", 200, "ok\n")
	dead := make(chan struct{})
	w.generation.WorkerDied(0, func([]dispatch.InHand) { close(dead) })
	<-dead
	w.expectCheck("/-/ready", 503, "not ready: no worker is up\n")
}

func TestHealthChecksGoInOrderWithTheRequestsOfTheirConnection(t *testing.T) {
	w := startWith(t, 1, 1, checked)
	w.generation.WorkerReady(0)
	w.work(0, hello)
	k := w.keep()
	fmt.Fprint(k, "GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n"+get+"HEAD /-/live HTTP/1.1\r\nHost: a\r\n\r\nPOST /-/ready HTTP/1.1\r\nHost: a\r\n"+
		"Content-Length: 1\r\n\r\nx"+get)
	for i, want := range []string{"ok\n", "Hello World !"} {
		if reply, body := w.read(k.r); reply.StatusCode != 200 || body != want || reply.Close {
			t.Fatalf("reply %d: %d %q", i, reply.StatusCode, body)
		}
	}
	line, _ := k.r.ReadString('\n')
	rest := ""
	for !strings.HasSuffix(rest, "\r\n\r\n") {
		more, err := k.r.ReadString('\n')
		check(t, err)
		rest += more
	}
	if line != "HTTP/1.1 200 OK\r\n" || !strings.Contains(rest, "Content-Length: 3\r\n") {
		t.Fatalf("HEAD got %q %q", line, rest)
	}
	if reply, _ := w.read(k.r); reply.StatusCode != 405 || reply.Header.Get("Allow") != "GET, HEAD" || !reply.Close {
		t.Fatalf("POST got %v", reply)
	}
}

func TestBodyOfAHealthCheckEndsTheConnection(t *testing.T) {
	w := startWith(t, 1, 1, checked)
	k := w.keep()
	fmt.Fprint(k, "GET /-/live HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if reply, body := w.read(k.r); reply.StatusCode != 200 || body != "ok\n" || !reply.Close {
		t.Fatalf("got %v", reply)
	}
}

func TestDrainMakesTheServerUnreadyBeforeItEndsAnything(t *testing.T) {
	w := startWith(t, 1, 1, checked)
	w.generation.WorkerReady(0)
	worker := w.join(0)
	busy, idle := w.keep(), w.keep()
	fmt.Fprint(busy, get)
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	fmt.Fprint(idle, "GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")
	if reply, _ := w.read(idle.r); reply.StatusCode != 200 || reply.Close {
		t.Fatalf("before the drain: %v", reply)
	}
	drained := make(chan error, 1)
	go func() { drained <- w.front.Drain(context.Background()) }()
	for w.front.Unready(context.Background()) != front.NotReadyDraining {
		time.Sleep(time.Millisecond)
	}
	fmt.Fprint(idle, "GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")
	if reply, body := w.read(idle.r); reply.StatusCode != 503 || body != "not ready: draining\n" || !reply.Close {
		t.Fatalf("in the drain: %v %q", reply, body)
	}
	hello(worker, i)
	if reply, _ := w.read(busy.r); reply.StatusCode != 200 {
		t.Fatalf("the request in hand got %v", reply)
	}
	_ = busy.Close()
	_ = idle.Close()
	check(t, <-drained)
}

func TestWithoutHealthChecksTheirPathsAreTheApplications(t *testing.T) {
	w := start(t, 1, 1)
	w.work(0, func(worker *slottest.Worker, i uint32) { hello(worker, i) })
	for _, path := range []string{"/-/live", "/-/ready"} {
		k := w.keep()
		fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		if _, body := w.read(k.r); body != "Hello World !" {
			t.Errorf("%s: %q", path, body)
		}
	}
}
