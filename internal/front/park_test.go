//go:build linux

package front_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// spooling is a world whose spool the test looks at.
func spooling(t testing.TB, limit int64) (*world, func() int64) {
	t.Helper()
	spool, err := spool.New(t.TempDir(), limit)
	check(t, err)
	w := startOn(t, 1, 4, spool, func(*front.Options) {})
	return w, func() int64 {
		var status unix.Stat_t
		check(t, unix.Fstat(spool.Descriptor(), &status))
		return status.Blocks * 512
	}
}

// eventually waits for a state.
func eventually(t testing.TB, what string, state func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !state(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// dialUnix connects where the kernel keeps little for the client.
func (w *world) dialUnix() net.Conn {
	w.t.Helper()
	connection, err := net.Dial("unix", w.path)
	check(w.t, err)
	check(w.t, connection.SetDeadline(time.Now().Add(20*time.Second)))
	w.t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// fill publishes pieces until the kernel takes no more for the client and every block is in use, and returns their bytes.
func (w *world) fill(worker *slottest.Worker, i uint32) []byte {
	var all []byte
	for w.room(worker, i, 200*time.Millisecond) {
		piece := bytes.Repeat([]byte{byte(len(all) >> 14)}, wire.BlockSize-len(all)>>14%100)
		worker.Piece(i, piece)
		worker.Ring(i)
		all = append(all, piece...)
	}
	worker.AwaitRoom(true) // else what is done is parked after a second only
	return all
}

const requestLine = "GET / HTTP/1.%d\r\nHost: a\r\n\r\n"

func TestParkedReplyArrivesWholeInEveryFraming(t *testing.T) {
	for _, c := range []struct {
		name   string
		minor  int
		length bool
	}{{"chunked", 1, false}, {"until the end", 0, false}, {"with a length", 1, true}} {
		t.Run(c.name, func(t *testing.T) {
			w, spooled := spooling(t, 0)
			worker := w.join(0)
			client := w.dialUnix()
			fmt.Fprintf(client, requestLine, c.minor)
			i := w.started(worker)
			flags, fields := uint32(0), ""
			if c.length {
				flags, fields = wire.ReplyHasLength, "Content-Length: 100000000\r\n"
				worker.Slot(i).ReplyLength = 100_000_000
			}
			worker.Head(i, 200, "200 OK", fields, []byte("begun"), flags)
			all := w.fill(worker, i)
			worker.Move(i, wire.StateStarted, wire.StateDone)
			worker.Ring(i)
			eventually(t, "parked", func() bool { return spooled() > 0 && worker.Kind(i) == wire.StateFree })
			reply, err := http.ReadResponse(bufio.NewReader(client), nil)
			check(t, err)
			body, err := io.ReadAll(reply.Body)
			if c.length != (err != nil) { // it was shorter than it said
				t.Fatal(err)
			}
			if want := append([]byte("begun"), all...); !bytes.Equal(body, want[:min(len(want), len(body))]) || !c.length && len(body) != len(want) {
				t.Fatalf("%d bytes instead of %d", len(body), len(want))
			}
			eventually(t, "the spool is empty", func() bool { return spooled() == 0 })
		})
	}
}

func TestConnectionGoesOnAfterAParkedReply(t *testing.T) {
	w, _ := spooling(t, 0)
	worker := w.join(0)
	client := w.dialUnix()
	for range 3 {
		fmt.Fprint(client, get, get)
		i := w.started(worker)
		worker.Head(i, 200, "200 OK", "", nil, 0)
		all := w.fill(worker, i)
		worker.Move(i, wire.StateStarted, wire.StateDone)
		worker.Ring(i)
		eventually(t, "parked", func() bool { return worker.Kind(i) == wire.StateFree })
		r := bufio.NewReader(client)
		if _, body := w.read(r); body != string(all) {
			t.Fatalf("%d bytes instead of %d", len(body), len(all))
		}
		hello(worker, w.started(worker))
		if _, body := w.read(r); body != "Hello World !" {
			t.Fatalf("got %q", body)
		}
	}
}

func TestCutReplyIsCutAfterItWasParked(t *testing.T) {
	w, _ := spooling(t, 0)
	worker := w.join(0)
	client := w.dial()
	fmt.Fprintf(client, requestLine, 0) // only the connection's end says that it is over
	i := w.started(worker)
	worker.Head(i, 200, "200 OK", "", nil, 0)
	w.fill(worker, i)
	worker.Slot(i).ReplyFlags |= wire.ReplyCut
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
	eventually(t, "parked", func() bool { return worker.Kind(i) == wire.StateFree })
	reply, err := http.ReadResponse(bufio.NewReader(client), nil)
	check(t, err)
	if body, err := io.ReadAll(reply.Body); err == nil {
		t.Fatalf("the client took %d bytes for a whole reply", len(body))
	}
}

func TestMoreClientsThanSlotsThatDoNotReadStopNobody(t *testing.T) {
	w, spooled := spooling(t, 0)
	var workers [4]*slottest.Worker
	for n := range workers {
		workers[n] = w.join(n)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	clients := make([]net.Conn, 80) // of 64 slots
	for n := range clients {
		clients[n] = w.dialUnix()
		fmt.Fprint(clients[n], get)
		worker := workers[n%len(workers)]
		i := w.started(worker)
		worker.Head(i, 200, "200 OK", "", nil, 0)
		for range 30 {
			if !w.room(worker, i, 10*time.Second) {
				t.Fatalf("client %d: the worker waits for others", n)
			}
			worker.Piece(i, make([]byte, wire.BlockSize))
		}
		worker.Move(i, wire.StateStarted, wire.StateDone)
		worker.Ring(i)
	}
	other := w.dial()
	fmt.Fprint(other, get)
	hello(workers[0], w.started(workers[0]))
	if reply, _ := w.read(bufio.NewReader(other)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
	eventually(t, "all are parked", func() bool { return spooled() > int64(len(clients))*100_000 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 8<<20 {
		t.Errorf("%d clients cost %d bytes of memory, %d in the spool", len(clients), grown, spooled())
	}
	for _, c := range clients {
		_ = c.Close()
	}
	eventually(t, "the spool is empty", func() bool { return spooled() == 0 })
}

func TestWithoutRoomInTheSpoolTheWorkerWaitsAndNothingIsLost(t *testing.T) {
	w, spooled := spooling(t, 4096)
	worker := w.join(0)
	client := w.dialUnix()
	fmt.Fprint(client, get)
	i := w.started(worker)
	worker.Head(i, 200, "200 OK", "", nil, 0)
	all := w.fill(worker, i)
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)

	other := w.dial()
	fmt.Fprint(other, get)
	j := w.started(worker)
	worker.Head(j, 200, "200 OK", "", nil, 0)
	if w.room(worker, j, 1500*time.Millisecond) {
		t.Fatalf("the worker went on with %d bytes in the spool", spooled())
	}
	if _, body := w.read(bufio.NewReader(client)); body != string(all) {
		t.Fatalf("%d bytes instead of %d", len(body), len(all))
	}
	if !w.room(worker, j, 10*time.Second) {
		t.Fatal("the worker waits for ever")
	}
	worker.Piece(j, []byte("after"))
	worker.Move(j, wire.StateStarted, wire.StateDone)
	worker.Ring(j)
	if _, body := w.read(bufio.NewReader(other)); body != "after" {
		t.Fatalf("got %q", body)
	}
	if spooled() > 4096 {
		t.Errorf("%d bytes are in the spool", spooled())
	}
}

func TestReplyOfADeadWorkerIsParkedToo(t *testing.T) {
	for name, limit := range map[string]int64{"room": 0, "no room": 1} {
		t.Run(name, func(t *testing.T) {
			w, _ := spooling(t, limit)
			worker := w.join(0)
			client := w.dialUnix()
			fmt.Fprint(client, get)
			i := w.started(worker)
			worker.Head(i, 200, "200 OK", "", nil, 0)
			all := w.fill(worker, i)
			worker.Move(i, wire.StateStarted, wire.StateDone)
			worker.Ring(i)
			dead := make(chan struct{})
			w.generation.WorkerDied(0, func([]dispatch.InHand) { close(dead) })
			<-dead
			if _, body := w.read(bufio.NewReader(client)); body != string(all) {
				t.Fatalf("%d bytes instead of %d", len(body), len(all))
			}
		})
	}
}
