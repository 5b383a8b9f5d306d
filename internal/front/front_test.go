//go:build linux

package front_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/proxy"
	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/spool"
	"speyside.dev/speyside/internal/wire"
)

// world is a front with workers in Go, on a port of its own.
type world struct {
	t       testing.TB
	front   *front.Front
	segment *slot.Segment // of the generation in service
	bells   []int
	address string
	path    string // of a Unix socket, of which the kernel buffers little
	stopped atomic.Bool

	generation *front.Generation
}

func start(t testing.TB, loops, workers int) *world {
	t.Helper()
	return startWith(t, loops, workers, func(*front.Options) {})
}

func startWith(t testing.TB, loops, workers int, change func(*front.Options)) *world {
	t.Helper()
	spool, err := spool.New(t.TempDir(), 0)
	check(t, err)
	return startOn(t, loops, workers, spool, change)
}

func startOn(t testing.TB, loops, workers int, spool *spool.Spool, change func(*front.Options)) *world {
	t.Helper()
	w := &world{t: t, segment: newSegment(t, loops, workers)}
	for range loops {
		bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		check(t, err)
		w.bells = append(w.bells, bell)
	}
	options := front.Options{Limits: http1.Limits{Line: 8190, Fields: 100, FieldSize: 8190},
		KeepAlive: time.Minute, HeaderTimeout: time.Minute, BodyTimeout: time.Minute, SendTimeout: time.Minute,
		InMemory: 1 << 20, Rest: front.Route{LimitBody: 1 << 30}, Server: "speyside",
		Proxies: front.Proxies{Policy: proxy.New(proxy.Options{})}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	change(&options)
	front, err := front.New(options, spool, w.bells)
	check(t, err)
	w.front = front
	w.generation = w.front.NewGeneration(w.segment, nil)
	w.front.Switch(w.generation, func() {})
	address, err := w.front.Listen(context.Background(), listen.Address{Host: "127.0.0.1"}, listen.Options{Backlog: 1024})
	check(t, err)
	w.address = fmt.Sprintf("127.0.0.1:%d", address.Port)
	directory, err := os.MkdirTemp("", "front") // a socket's path is short
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	w.path = filepath.Join(directory, "s")
	_, err = w.front.Listen(context.Background(), listen.Address{Path: w.path}, listen.Options{Backlog: 1024})
	check(t, err)
	w.front.Accept()
	ended := make(chan error, 1)
	go func() { ended <- w.front.Run() }()
	t.Cleanup(func() {
		w.stopped.Store(true)
		w.front.Stop()
		check(t, <-ended)
	})
	return w
}

func newSegment(t testing.TB, loops, workers int) *slot.Segment {
	t.Helper()
	segment, err := slot.New(slot.Shape{Slots: 64 * loops, Ports: loops, Workers: workers, Threads: 1, FrontBlocks: 80,
		LargeBlocks: 2, Generation: 1})
	check(t, err)
	return segment
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) join(number int) *slottest.Worker {
	worker, err := slottest.Join(int(w.segment.File().Fd()), number, 0, w.bells)
	check(w.t, err)
	return worker
}

// work serves every request with app until the test ends.
func (w *world) work(number int, app func(*slottest.Worker, uint32)) {
	worker := w.join(number)
	go func() {
		for !w.stopped.Load() {
			i, ok := worker.Take()
			if !ok {
				worker.Wait()
				continue
			}
			if worker.Claim(i) && worker.Move(i, wire.StateClaimed, wire.StateStarted) {
				app(worker, i)
			}
		}
	}()
}

// next claims the next request.
func (w *world) next(worker *slottest.Worker) uint32 {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); worker.Wait() {
		if i, ok := worker.Take(); ok && worker.Claim(i) {
			return i
		}
	}
	w.t.Fatal("no request came")
	return 0
}

func hello(worker *slottest.Worker, i uint32) {
	worker.Head(i, 200, "200 OK", "Content-Type: text/plain\r\n", []byte("Hello World !"), 0)
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
}

func echo(worker *slottest.Worker, i uint32) {
	body := bytes.Clone(worker.RequestBody(i))
	worker.Head(i, 200, "200 OK", "X-Kind: "+fmt.Sprint(worker.Slot(i).BodyKind)+"\r\n", nil, 0)
	stream(worker, i, body)
}

// stream publishes a body piece by piece, and ends the reply.
func stream(worker *slottest.Worker, i uint32, body []byte) {
	worker.Ring(i)
	for len(body) > 0 && worker.Kind(i) == wire.StateStarted {
		if worker.Room(i) {
			body = body[worker.Piece(i, body):]
			worker.Ring(i)
		}
	}
	if !worker.Move(i, wire.StateStarted, wire.StateDone) {
		worker.Move(i, wire.StateAbandoned, wire.StateDone)
	}
	worker.Ring(i)
}

func (w *world) dial() net.Conn {
	w.t.Helper()
	connection, err := net.Dial("tcp", w.address)
	check(w.t, err)
	check(w.t, connection.SetDeadline(time.Now().Add(20*time.Second)))
	w.t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// read reads one reply and returns it with its body.
func (w *world) read(r *bufio.Reader) (*http.Response, string) {
	w.t.Helper()
	reply, err := http.ReadResponse(r, nil)
	check(w.t, err)
	body, err := io.ReadAll(reply.Body)
	check(w.t, err)
	return reply, string(body)
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestReplyHasLengthAndOurFields(t *testing.T) {
	w := start(t, 1, 1)
	w.work(0, hello)
	c := w.dial()
	r := bufio.NewReader(c)
	for range 3 { // kept alive
		fmt.Fprint(c, get)
		reply, body := w.read(r)
		if reply.StatusCode != 200 || body != "Hello World !" || reply.ContentLength != 13 {
			t.Fatalf("got %v with %q", reply, body)
		}
		if reply.Header.Get("Server") != "speyside" || reply.Header.Get("Date") == "" || reply.Close {
			t.Fatalf("got fields %v", reply.Header)
		}
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	w := start(t, 1, 1)
	w.work(0, func(worker *slottest.Worker, i uint32) {
		target, _, _ := strings.Cut(string(worker.RequestHead(i)[4:]), " ")
		worker.Head(i, 200, "200 OK", "X-Target: "+target+"\r\n", nil, 0)
		worker.Move(i, wire.StateStarted, wire.StateDone)
		worker.Ring(i)
	})
	c := w.dial()
	const count = 2000 // more than a slot holds
	go func() {
		for i := range count {
			fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		}
	}()
	r := bufio.NewReader(c)
	for i := range count {
		if reply, _ := w.read(r); reply.Header.Get("X-Target") != fmt.Sprintf("/%d", i) {
			t.Fatalf("reply %d is for %s", i, reply.Header.Get("X-Target"))
		}
	}
}

func TestRequestMayComeByteByByte(t *testing.T) {
	w := start(t, 1, 1)
	w.work(0, echo)
	c := w.dial()
	for _, b := range []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345") {
		_, err := c.Write([]byte{b})
		check(t, err)
	}
	if _, body := w.read(bufio.NewReader(c)); body != "12345" {
		t.Fatalf("got %q", body)
	}
}

func TestBodiesOfEverySizeArriveWhole(t *testing.T) {
	w := start(t, 1, 1)
	w.work(0, echo)
	kinds := map[string]bool{}
	for _, size := range []int{0, 1, 15000, 16384, 16385, 100_000, 1 << 20} {
		for _, chunked := range []bool{false, true} {
			c := w.dial()
			want := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
			go func() {
				if !chunked {
					fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, want)
					return
				}
				fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
				for rest := want; rest != ""; {
					n := min(len(rest), 7001)
					fmt.Fprintf(c, "%x\r\n%s\r\n", n, rest[:n])
					rest = rest[n:]
				}
				fmt.Fprint(c, "0\r\n\r\n")
			}()
			reply, body := w.read(bufio.NewReader(c))
			if body != want {
				t.Fatalf("%d bytes, chunked %v: %d came back", size, chunked, len(body))
			}
			kinds[reply.Header.Get("X-Kind")] = true
		}
	}
	if len(kinds) < 3 {
		t.Fatalf("bodies were kept in %v only", kinds)
	}
}

func TestMalformedRequestIsRefusedAndClosed(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
	r := bufio.NewReader(c)
	reply, _ := w.read(r)
	if reply.StatusCode != 400 || !reply.Close {
		t.Fatalf("got %v", reply)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatalf("the connection is open: %v", err)
	}
}

func TestUnstartedRequestSurvivesWorkerDeath(t *testing.T) {
	w := start(t, 1, 2)
	c := w.dial()
	fmt.Fprint(c, get)
	w.next(w.join(0)) // claims and dies
	acknowledged := make(chan struct{})
	w.generation.WorkerDied(0, func([]dispatch.InHand) { close(acknowledged) })
	<-acknowledged
	w.work(1, hello)
	if reply, body := w.read(bufio.NewReader(c)); reply.StatusCode != 200 || body != "Hello World !" {
		t.Fatalf("got %v", reply)
	}
}

func TestRequestTakenButNotClaimedSurvivesWorkerDeath(t *testing.T) {
	w := start(t, 1, 2)
	c := w.dial()
	fmt.Fprint(c, get)
	dying := w.join(0)
	for _, ok := dying.Take(); !ok; _, ok = dying.Take() {
		dying.Wait()
	}
	w.work(1, hello) // nobody reports the death: the scan finds the request
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
}

func TestDeathTellsWhatTheWorkerHadInHand(t *testing.T) {
	w := start(t, 1, 2)
	dying := w.join(0)
	slots := map[string]uint32{}
	ask := func(path string) net.Conn {
		c := w.dial()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		slots[path] = w.next(dying)
		return c
	}
	ask("/claimed")
	ask("/started")
	leaves := ask("/left")
	for _, path := range []string{"/started", "/left"} {
		dying.Move(slots[path], wire.StateClaimed, wire.StateStarted)
	}
	reset(leaves.(*net.TCPConn))
	for deadline := time.Now().Add(10 * time.Second); dying.Kind(slots["/left"]) != wire.StateAbandoned; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the front did not see the client leave")
		}
	}
	told := make(chan []dispatch.InHand, 1)
	w.generation.WorkerDied(0, func(all []dispatch.InHand) { told <- all })
	want := map[string]dispatch.Stage{"GET /claimed": dispatch.StageQueued, "GET /started": dispatch.StageRunning, "GET /left": dispatch.StageLeft}
	all := <-told
	for _, held := range all {
		if stage, known := want[held.Request]; !known || held.Stage != stage || held.Client != "127.0.0.1" || held.ID == 0 || held.Worker != 0 {
			t.Errorf("got %+v", held)
		}
	}
	if len(all) != len(want) {
		t.Errorf("told %+v", all)
	}
}

func TestSecondUnstartedDeathIs502(t *testing.T) {
	w := start(t, 1, 2)
	c := w.dial()
	fmt.Fprint(c, get)
	for number := range 2 {
		w.next(w.join(number))
		w.generation.WorkerDied(number, func([]dispatch.InHand) {})
	}
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 502 {
		t.Fatalf("got %v", reply)
	}
}

func TestStartedRequestOfDeadWorkerIs502AndOthersDoNotNotice(t *testing.T) {
	w := start(t, 1, 2)
	c := w.dial()
	fmt.Fprint(c, get)
	dying := w.join(0)
	i := w.next(dying)
	dying.Move(i, wire.StateClaimed, wire.StateStarted)
	w.work(1, hello)
	other := w.dial()
	fmt.Fprint(other, get)
	if reply, _ := w.read(bufio.NewReader(other)); reply.StatusCode != 200 {
		t.Fatalf("the other got %v", reply)
	}
	w.generation.WorkerDied(0, func([]dispatch.InHand) {})
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 502 {
		t.Fatalf("got %v", reply)
	}
}

func TestCutReplyIsSeenAsIncomplete(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	worker := w.join(0)
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	worker.Head(i, 200, "200 OK", "", []byte("half of"), 0)
	worker.Ring(i)
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	w.generation.WorkerDied(0, func([]dispatch.InHand) {})
	if _, err := io.ReadAll(reply.Body); err == nil {
		t.Fatal("the client took half a reply for a whole one")
	}
}

func TestFinishedReplyOfDeadWorkerIsDelivered(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	worker := w.join(0)
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	hello(worker, i)
	w.generation.WorkerDied(0, func([]dispatch.InHand) {})
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
}

func TestClientThatLeftFreesTheSlot(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	for range 200 { // more than there are slots
		c := w.dial()
		fmt.Fprint(c, get)
		i := w.next(worker)
		worker.Move(i, wire.StateClaimed, wire.StateStarted)
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		for worker.Kind(i) == wire.StateStarted {
			worker.Wait()
		}
		worker.Move(i, wire.StateAbandoned, wire.StateDone)
		worker.Ring(i)
	}
	w.work(0, hello)
	c := w.dial()
	fmt.Fprint(c, get)
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
}

func TestHostileWorkerCostsItsOwnReplyOnly(t *testing.T) {
	lies := map[string]func(*slottest.Worker, uint32){
		"length":   func(worker *slottest.Worker, i uint32) { worker.Slot(i).Piece[0] = 1 << 31 },
		"fields":   func(worker *slottest.Worker, i uint32) { worker.Slot(i).FieldsLen = 1 << 20 },
		"status":   func(worker *slottest.Worker, i uint32) { worker.Slot(i).StatusLen = 1 << 20 },
		"code":     func(worker *slottest.Worker, i uint32) { worker.Slot(i).StatusCode = 7 },
		"produced": func(worker *slottest.Worker, i uint32) { worker.Slot(i).Produced = 77 },
		"block": func(worker *slottest.Worker, i uint32) {
			worker.Slot(i).Piece[1] = 0xffffff<<32 | 10
			worker.Slot(i).Produced = 2
		},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			w := start(t, 1, 1)
			w.work(0, func(worker *slottest.Worker, i uint32) {
				worker.Head(i, 200, "200 OK", "", []byte("x"), 0)
				lie(worker, i)
				worker.Ring(i)
				worker.Move(i, wire.StateStarted, wire.StateDone)
				worker.Ring(i)
			})
			for range 100 {
				c := w.dial()
				fmt.Fprint(c, get)
				if reply, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && reply.StatusCode == 200 {
					t.Fatalf("got %v", reply)
				}
			}
		})
	}
}

func TestDrainAnswersWhatWasAccepted(t *testing.T) {
	w := start(t, 2, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	worker := w.join(0)
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	drained := make(chan error, 1)
	go func() { drained <- w.front.Drain(context.Background()) }()
	for { // until nobody listens
		other, err := net.Dial("tcp", w.address)
		if err != nil {
			break
		}
		_ = other.Close()
	}
	hello(worker, i)
	reply, _ := w.read(bufio.NewReader(c))
	if reply.StatusCode != 200 || !reply.Close {
		t.Fatalf("got %v", reply)
	}
	check(t, <-drained)
}

func TestBodyAboveTheLimitIsRefusedBeforeItIsRead(t *testing.T) {
	spool, err := spool.New(t.TempDir(), 0)
	check(t, err)
	w := startOn(t, 1, 1, spool, func(o *front.Options) { o.Rest.LimitBody = 20 })
	w.work(0, echo)
	for _, sent := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\nExpect: 100-continue\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n123456789012345678901",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\nb\r\n12345678901\r\n",
	} {
		c := w.dial()
		fmt.Fprint(c, sent)
		if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 413 || !reply.Close {
			t.Errorf("%q: %v", sent, reply)
		}
	}
	c := w.dial()
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n12345678901234567890\r\n0\r\n\r\n")
	if reply, body := w.read(bufio.NewReader(c)); reply.StatusCode != 200 || len(body) != 20 {
		t.Errorf("a body of the limit's size: %v", reply)
	}
}

func TestFullSpoolIs503ForThatRequestOnly(t *testing.T) {
	spool, err := spool.New(t.TempDir(), 1<<20)
	check(t, err)
	w := startOn(t, 1, 1, spool, func(*front.Options) {})
	w.work(0, echo)
	for range 3 { // what was kept of a refused body is given back
		c := w.dial()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 2<<20)
		go func() { _, _ = c.Write(make([]byte, 2<<20)) }()
		reply, _ := w.read(bufio.NewReader(c))
		if reply.StatusCode != 503 || reply.Header.Get("Retry-After") == "" {
			t.Fatalf("got %v", reply)
		}
		other := w.dial()
		fmt.Fprint(other, get)
		if reply, _ := w.read(bufio.NewReader(other)); reply.StatusCode != 200 {
			t.Fatalf("another request got %v", reply)
		}
	}
}

func TestClientThatDoesNotReadDoesNotKeepTheBlocksOfItsWorker(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	c := w.dial()
	check(t, c.(*net.TCPConn).SetReadBuffer(4096))
	fmt.Fprint(c, get)
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	worker.Head(i, 200, "200 OK", "", nil, 0)
	large := make([]byte, wire.BlockSize)
	for w.room(worker, i, 200*time.Millisecond) { // until the kernel takes no more, and all blocks are in use
		worker.Piece(i, large)
		worker.Ring(i)
	}
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)

	other := w.dial()
	fmt.Fprint(other, get)
	j := w.next(worker)
	worker.Move(j, wire.StateClaimed, wire.StateStarted)
	if !w.room(worker, j, 10*time.Second) {
		t.Fatal("the worker waits for a client that does not read")
	}
	hello(worker, j)
	if reply, _ := w.read(bufio.NewReader(other)); reply.StatusCode != 200 {
		t.Fatalf("got %v", reply)
	}
}

// room waits until the worker may publish a piece, and reports false when that took too long.
func (w *world) room(worker *slottest.Worker, i uint32, patience time.Duration) bool {
	worker.AwaitRoom(true)
	defer worker.AwaitRoom(false)
	for deadline := time.Now().Add(patience); !worker.Room(i); worker.Wait() {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
