//go:build linux

package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

// switchOver makes a new generation the one that takes the requests, and returns the one before.
func (w *world) switchOver(loops, workers int) *front.Generation {
	w.t.Helper()
	before := w.generation
	w.segment = newSegment(w.t, loops, workers)
	w.generation = w.front.NewGeneration(w.segment, nil)
	switched := make(chan struct{})
	w.front.Switch(w.generation, func() { close(switched) })
	<-switched
	return before
}

func post(path string, size int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nX-Fill: %s\r\nContent-Length: %d\r\n\r\n%s", path, strings.Repeat("f", 7000), size,
		strings.Repeat("0123456789abcdef", size/16+1)[:size])
}

func TestUnclaimedRequestsMoveToTheGenerationThatTakesOver(t *testing.T) {
	w := startWith(t, 2, 1, func(o *front.Options) {
		o.InMemory = 200_000
		o.Routes = []front.Route{{Prefix: "/streamed", StreamRequest: true, LimitBody: 1 << 30}}
		o.Limits.Fields, o.Limits.FieldSize = 200, 40_000
	})
	requests := map[string]string{
		"without a body":    get,
		"a small body":      post("/small", 1000),
		"a body in blocks":  post("/blocks", 150_000),
		"a spooled body":    post("/spooled", 300_000),
		"a streamed body":   post("/streamed", 50_000),
		"a large head":      "GET /large HTTP/1.1\r\nHost: a\r\nX-Large: " + strings.Repeat("l", 30_000) + "\r\n\r\n",
		"a body still sent": post("/small", 150_000),
	}
	answers := map[string]*bufio.Reader{}
	var later net.Conn
	for name, request := range requests {
		c := w.dial()
		answers[name] = bufio.NewReader(c)
		if name == "a body still sent" {
			later = c
			fmt.Fprint(c, request[:100_000])
			continue
		}
		fmt.Fprint(c, request)
	}
	w.awaitInLine(len(requests) - 1)

	before := w.switchOver(2, 1)
	retired := make(chan struct{})
	before.Retire(func() { close(retired) })
	<-retired // without a worker: nothing is left there
	fmt.Fprint(later, requests["a body still sent"][100_000:])
	w.work(0, func(worker *slottest.Worker, i uint32) {
		s := worker.Slot(i)
		for s.BodyKind == wire.BodyStream && len(worker.RequestBody(i)) < 50_000 {
			worker.Wait()
		}
		told := fmt.Sprintf("%s %d %d", strings.Fields(string(worker.RequestHead(i)))[1], s.BodyLen, sum(worker.RequestBody(i)))
		worker.Head(i, 200, "200 OK", "", []byte(told), 0)
		worker.Move(i, wire.StateStarted, wire.StateDone)
		worker.Ring(i)
	})
	for name, want := range map[string]string{
		"without a body":    "/ 0 0",
		"a small body":      fmt.Sprintf("/small 1000 %d", sum(bodyOf(1000))),
		"a body in blocks":  fmt.Sprintf("/blocks 150000 %d", sum(bodyOf(150_000))),
		"a spooled body":    "/spooled 300000 0", // not read here
		"a streamed body":   fmt.Sprintf("/streamed 50000 %d", sum(bodyOf(50_000))),
		"a large head":      "/large 0 0",
		"a body still sent": fmt.Sprintf("/small 150000 %d", sum(bodyOf(150_000))),
	} {
		if reply, body := w.read(answers[name]); reply.StatusCode != 200 || body != want {
			t.Errorf("%s: %v %q, want %q", name, reply.Status, body, want)
		}
	}
}

// awaitInLine waits until so many requests are in the line of the generation in service.
func (w *world) awaitInLine(n int) {
	w.t.Helper()
	layout := w.segment.Layout()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		filled := 0
		for i := range layout.SlotCount {
			if w.segment.State(i).Kind() == wire.StateFilled {
				filled++
			}
		}
		if filled == n {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d requests in line, want %d", filled, n)
		}
	}
}

func bodyOf(size int) []byte { return []byte(strings.Repeat("0123456789abcdef", size/16+1)[:size]) }

// sum tells bodies apart, also those whose parts are in another order.
func sum(body []byte) (sum uint32) {
	for _, c := range body {
		sum = sum*31 + uint32(c)
	}
	return sum
}

func TestClaimedRequestIsFinishedByItsGeneration(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	old := w.join(0)
	i := w.next(old)
	old.Move(i, wire.StateClaimed, wire.StateStarted)
	before := w.switchOver(1, 1)
	w.work(0, hello)
	retired := make(chan struct{})
	before.Retire(func() { close(retired) })

	fresh := w.dial()
	fmt.Fprint(fresh, get)
	if reply, body := w.read(bufio.NewReader(fresh)); reply.StatusCode != 200 || body != "Hello World !" {
		t.Fatalf("the new generation answered %v", reply)
	}
	select {
	case <-retired:
		t.Fatal("retired with a request in hand")
	default:
	}
	old.Head(i, 200, "200 OK", "", []byte("from the old one"), 0)
	old.Move(i, wire.StateStarted, wire.StateDone)
	old.Ring(i)
	answers := bufio.NewReader(c)
	if reply, body := w.read(answers); reply.Close || body != "from the old one" {
		t.Fatalf("got %v %q", reply, body)
	}
	<-retired
	fmt.Fprint(c, get) // the connection goes on with the new one
	if _, body := w.read(answers); body != "Hello World !" {
		t.Fatalf("got %q", body)
	}
}

func TestUnstartedRequestOfADeadWorkerOfARetiredGenerationMoves(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	w.next(w.join(0)) // claims and dies
	before := w.switchOver(1, 1)
	retired := make(chan struct{})
	before.Retire(func() { close(retired) })
	w.work(0, hello)
	before.WorkerDied(0, func([]dispatch.InHand) {})
	if reply, body := w.read(bufio.NewReader(c)); reply.StatusCode != 200 || body != "Hello World !" {
		t.Fatalf("got %v", reply)
	}
	<-retired
}

func TestWhoWaitsForASlotGetsOneOfTheNewGeneration(t *testing.T) {
	w := start(t, 1, 1)
	const clients = 100 // of 64 slots
	var all []net.Conn
	for range clients {
		c := w.dial()
		fmt.Fprint(c, get)
		all = append(all, c)
	}
	w.awaitInLine(64)
	w.switchOver(1, 1)
	w.work(0, hello)
	for _, c := range all {
		if reply, err := io.ReadAll(io.LimitReader(c, 12)); err != nil || string(reply) != "HTTP/1.1 200" {
			t.Fatalf("got %q, %v", reply, err)
		}
	}
}

func TestStrandedRequestWaitsForRoomInTheNextGeneration(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	w.next(w.join(0)) // claims and dies
	before := w.switchOver(1, 1)
	slots := int(w.segment.Layout().SlotCount)
	for range slots {
		fmt.Fprint(w.dial(), get)
	}
	w.awaitInLine(slots)
	late := w.dial()
	fmt.Fprint(late, get) // waits for a slot, too, and came later
	retired := make(chan struct{})
	before.Retire(func() { close(retired) })
	died := make(chan struct{})
	before.WorkerDied(0, func([]dispatch.InHand) { close(died) })
	<-died
	w.work(0, hello)
	for _, client := range []net.Conn{c, late} {
		if reply, body := w.read(bufio.NewReader(client)); reply.StatusCode != 200 || body != "Hello World !" {
			t.Fatalf("got %v", reply)
		}
	}
	<-retired
}

func TestUnstartedRequestWhoseClientHasLeftDoesNotKeepARetiredGeneration(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	w.next(w.join(0)) // claims and dies
	reset(c.(*net.TCPConn))
	before := w.switchOver(1, 1)
	retired := make(chan struct{})
	before.Retire(func() { close(retired) })
	before.WorkerDied(0, func([]dispatch.InHand) {})
	select {
	case <-retired:
	case <-time.After(20 * time.Second):
		t.Fatal("the generation is kept")
	}
}

func TestRequestThatFoundNoRoomWhenItsGenerationWasRetiredMovesLater(t *testing.T) {
	w := start(t, 1, 1)
	c := w.dial()
	fmt.Fprint(c, get)
	w.next(w.join(0)) // claimed: it does not move when the next generation takes over
	before := w.switchOver(1, 1)
	var others []*bufio.Reader
	for range w.segment.Slots {
		other := w.dial()
		fmt.Fprint(other, get)
		others = append(others, bufio.NewReader(other))
	}
	w.filled(w.segment.Slots)
	acknowledged := make(chan struct{})
	before.WorkerDied(0, func([]dispatch.InHand) { close(acknowledged) }) // it is in line again
	<-acknowledged
	retired := make(chan struct{})
	before.Retire(func() { close(retired) })
	w.work(0, hello)
	for _, other := range append(others, bufio.NewReader(c)) {
		if reply, _ := w.read(other); reply.StatusCode != 200 {
			t.Fatalf("got %v", reply)
		}
	}
	<-retired
}

// strand leaves a request in line at a retired generation, whose worker may claim it yet; every slot of the next one is taken.
func (w *world) strand() (c net.Conn, old *slottest.Worker, retired chan struct{}) {
	c = w.dial()
	fmt.Fprint(c, get)
	old = w.join(0)
	w.next(old)
	before := w.switchOver(1, 1)
	for range w.segment.Slots {
		fmt.Fprint(w.dial(), get)
	}
	w.filled(w.segment.Slots)
	acknowledged, retired := make(chan struct{}), make(chan struct{})
	before.WorkerDied(0, func([]dispatch.InHand) { close(acknowledged) }) // it is in line again
	<-acknowledged
	before.Retire(func() { close(retired) })
	time.Sleep(300 * time.Millisecond) // scans, at which it waits for a slot of the next generation
	return c, old, retired
}

func answerOld(old *slottest.Worker, i uint32) {
	old.Head(i, 200, "200 OK", "Content-Length: 3\r\n", []byte("old"), wire.ReplyHasLength)
	old.Slot(i).ReplyLength = 3
	old.Move(i, wire.StateStarted, wire.StateDone)
	old.Ring(i)
}

func (w *world) expect(r *bufio.Reader, want string) {
	w.t.Helper()
	if reply, body := w.read(r); reply.StatusCode != 200 || body != want {
		w.t.Fatalf("got %v %q, want %q", reply, body, want)
	}
}

func TestStrandedRequestThatIsClaimedAfterAllIsAnsweredWhereItIs(t *testing.T) {
	w := start(t, 1, 1)
	c, old, retired := w.strand()
	i := w.started(old)
	w.work(0, hello)
	w.filled(0)
	time.Sleep(100 * time.Millisecond) // what must not happen has no sign
	answerOld(old, i)
	r := bufio.NewReader(c)
	w.expect(r, "old")
	<-retired
	fmt.Fprint(c, get)
	w.expect(r, "Hello World !")
}

func TestConnectionWhoseStrandedRequestWasAnsweredWaitsForNothing(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.HeaderTimeout = 100 * time.Millisecond })
	c, old, retired := w.strand()
	answerOld(old, w.started(old))
	r := bufio.NewReader(c)
	w.expect(r, "old")
	<-retired
	w.work(0, hello)
	w.filled(0)
	time.Sleep(300 * time.Millisecond) // an idle connection has no head to send in time
	fmt.Fprint(c, get)
	w.expect(r, "Hello World !")
}

func TestStrandedRequestThatWasClaimedHasWaitedLongEnough(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.Line = dispatch.Bounds{Time: time.Second} })
	c, old, retired := w.strand()
	i := w.started(old)
	time.Sleep(1500 * time.Millisecond) // past the time in line
	answerOld(old, i)
	w.expect(bufio.NewReader(c), "old")
	<-retired
}
