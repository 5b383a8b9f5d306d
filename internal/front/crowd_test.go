//go:build linux

package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

func atMost(connections int) func(*front.Options) {
	return func(o *front.Options) { o.Connections = connections }
}

// kept is a connection that is kept alive.
type kept struct {
	net.Conn
	w *world
	r *bufio.Reader
}

func (w *world) keep() *kept {
	c := w.dial()
	return &kept{c, w, bufio.NewReader(c)}
}

// served sends a request and reports whether it was answered and the connection kept.
func (k *kept) served() bool {
	k.w.t.Helper()
	fmt.Fprint(k, get)
	reply, body := k.w.read(k.r)
	return reply.StatusCode == 200 && body == "Hello World !" && !reply.Close
}

// closed reports whether the server has closed the connection; it waits a moment for that.
func (k *kept) closed() bool {
	check(k.w.t, k.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := k.r.ReadByte()
	check(k.w.t, k.SetDeadline(time.Now().Add(20*time.Second)))
	return err == io.EOF
}

func TestIdleConnectionsMakeRoomOldestFirst(t *testing.T) {
	w := startWith(t, 1, 1, atMost(3))
	w.work(0, hello)
	a, b, c := w.keep(), w.keep(), w.keep()
	for i, k := range []*kept{a, b, c, a} { // b idles longest
		if !k.served() {
			t.Fatalf("request %d was not served", i)
		}
	}
	if a.closed() || b.closed() || c.closed() {
		t.Fatal("a connection was closed though nobody waited")
	}
	d := w.keep()
	if !d.served() || !b.closed() || a.closed() || c.closed() {
		t.Fatal("not the one that idled longest made room")
	}
	if !a.served() || !c.served() || !d.served() {
		t.Fatal("one of the others is gone")
	}
}

func TestRequestOnItsWayKeepsItsConnection(t *testing.T) {
	w := startWith(t, 1, 1, atMost(2))
	worker := w.join(0)
	a := w.keep()
	serve := func() {
		i := w.next(worker)
		worker.Move(i, wire.StateClaimed, wire.StateStarted)
		hello(worker, i)
	}
	go serve()
	a.served()
	slow := w.dial()
	fmt.Fprint(slow, "GET / HTTP/1.1\r\n")
	fmt.Fprint(a, get) // at the same time as somebody wants in
	other := w.dial()
	fmt.Fprint(other, get)
	serve()
	if reply, _ := w.read(a.r); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
	_ = slow.Close()
	_ = a.Close()
	go serve()
	if reply, _ := w.read(bufio.NewReader(other)); reply.StatusCode != 200 {
		t.Fatalf("the other got %v", reply)
	}
}

func TestConnectionsAboveTheLimitWaitWithoutCost(t *testing.T) {
	for _, loops := range []int{1, 2} {
		w := startWith(t, loops, 1, atMost(4))
		var clients []*kept
		for range 12 {
			k := w.keep()
			fmt.Fprint(k, get)
			clients = append(clients, k)
		}
		time.Sleep(200 * time.Millisecond)
		before := cpu(t)
		time.Sleep(500 * time.Millisecond)
		if spent := cpu(t) - before; spent > 100*time.Millisecond {
			t.Errorf("%d loops: waiting took %s of CPU", loops, spent)
		}
		seen := map[uint32]bool{}
		worker := w.join(0)
		for range 4 {
			seen[w.next(worker)] = true
		}
		if _, ok := worker.Take(); ok || len(seen) != 4 {
			t.Errorf("%d loops: more than four were let in", loops)
		}
		for i := range seen {
			worker.Move(i, wire.StateClaimed, wire.StateStarted)
			hello(worker, i)
		}
		w.work(0, hello)
		for i, k := range clients {
			if reply, _ := w.read(k.r); reply.StatusCode != 200 {
				t.Fatalf("%d loops: client %d got %v", loops, i, reply)
			}
		}
	}
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	check(t, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestReplySaysThatItsConnectionMakesRoom(t *testing.T) {
	w := startWith(t, 1, 1, atMost(1))
	worker := w.join(0)
	a := w.keep()
	fmt.Fprint(a, get)
	i := w.next(worker)
	b := w.keep()
	fmt.Fprint(b, get)
	time.Sleep(100 * time.Millisecond) // until the loop has seen that b waits
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	hello(worker, i)
	if reply, _ := w.read(a.r); reply.StatusCode != 200 || !reply.Close {
		t.Fatalf("got %v", reply)
	}
	w.work(0, hello)
	if reply, _ := w.read(b.r); reply.StatusCode != 200 || reply.Close {
		t.Fatalf("b got %v", reply)
	}
}

func TestIdleConnectionsOfEveryLoopMakeRoom(t *testing.T) {
	w := startWith(t, 4, 1, atMost(8))
	w.work(0, hello)
	for i := range uint64(100) { // whichever loop is woken, some other one has the idle ones
		k := w.keep()
		w.letIn(i + 1)
		if !k.served() {
			t.Fatalf("connection %d was not kept", i)
		}
	}
}

// letIn returns when so many connections have been accepted and no loop believes any more that somebody waits: one that was woken in vain does
// until it has looked again, and its replies make room meanwhile.
func (w *world) letIn(connections uint64) {
	w.t.Helper()
	settled := 0
	eventually(w.t, fmt.Sprintf("connection %d is in, and nobody waits", connections), func() bool {
		if settled++; w.front.Full() || w.front.Snapshot(w.t.Context(), nil).Values[observe.ConnectionsTotal] != connections {
			settled = 0
		}
		return settled > 1 // every loop has gone round in between
	})
}

func TestLoopWithoutIdleConnectionsHasAnotherMakeRoom(t *testing.T) {
	w := startWith(t, 2, 1, atMost(2))
	w.work(0, hello)
	for round := range 4 { // the kernel wakes the one first, then the other
		release := w.front.Hold(round % 2)
		a, b := w.keep(), w.keep()
		if !a.served() || !b.served() { // on the other loop, where now all connections are
			t.Fatalf("round %d: not served", round)
		}
		release()
		time.Sleep(50 * time.Millisecond)
		c := w.keep()
		if !c.served() {
			t.Fatalf("round %d: not served when the other loop had the idle ones", round)
		}
		_, _, _ = a.Close(), b.Close(), c.Close()
		eventually(t, "the connections are gone, also on the loop that is held next", func() bool { return w.front.Open() == 0 })
	}
}

func TestConnectionThatBecomesIdleMakesRoomForWhoWaits(t *testing.T) {
	w := startWith(t, 1, 1, atMost(1))
	worker := w.join(0)
	a := w.keep()
	fmt.Fprint(a, get)
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	worker.Slot(i).ReplyLength = 13
	worker.Head(i, 200, "200 OK", "Content-Length: 13\r\n", body[:5], wire.ReplyHasLength)
	worker.Ring(i)
	check(t, second(a.r.Peek(1))) // it has been said that a is kept
	b := w.keep()
	fmt.Fprint(b, get)
	time.Sleep(100 * time.Millisecond) // until the loop has seen that b waits
	worker.Piece(i, body[5:])
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
	if reply, text := w.read(a.r); text != string(body) || reply.Close || !a.closed() {
		t.Fatalf("got %v with %q", reply, text)
	}
	w.work(0, hello)
	if reply, _ := w.read(b.r); reply.StatusCode != 200 {
		t.Fatalf("b got %v", reply)
	}
}

func TestChurnAtTheLimitLosesNothing(t *testing.T) {
	w := startWith(t, 2, 1, atMost(8))
	w.work(0, func(worker *slottest.Worker, i uint32) { hello(worker, i) })
	done := make(chan error)
	const clients, rounds = 32, 50
	for range clients {
		go func() { done <- w.rounds(rounds) }()
	}
	for range clients {
		check(t, <-done)
	}
}

// rounds asks on a connection of its own each time.
func (w *world) rounds(n int) error {
	for range n {
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			return err
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := fmt.Fprint(c, get); err != nil {
			return err
		}
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			return err
		}
		_ = c.Close()
	}
	return nil
}
