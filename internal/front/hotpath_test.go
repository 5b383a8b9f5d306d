//go:build linux

package front_test

import (
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"speyside.dev/speyside/internal/accesslog"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

// clients are kept-alive connections that neither allocate nor wake the scheduler.
type clients struct {
	t       testing.TB
	fds     []int
	request []byte
	reply   [4096]byte
}

func (w *world) clients(n int) *clients {
	c := &clients{t: w.t, request: request}
	for range n {
		connection := w.dial()
		file, err := connection.(*net.TCPConn).File()
		check(w.t, err)
		w.t.Cleanup(func() { _ = file.Close() })
		c.fds = append(c.fds, int(file.Fd()))
	}
	return c
}

var request = []byte("GET /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")

// round sends a request on every connection and reads every reply.
func (c *clients) round() {
	for _, fd := range c.fds {
		if _, err := syscall.Write(fd, c.request); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, fd := range c.fds {
		if n, err := syscall.Read(fd, c.reply[:]); err != nil || n < 100 {
			c.t.Fatal(n, err)
		}
	}
}

var body = []byte("Hello World !")

func fixed(worker *slottest.Worker, i uint32) {
	worker.Head(i, 200, "200 OK", "Content-Type: text/plain\r\nContent-Length: 13\r\n", body, wire.ReplyHasLength)
	worker.Slot(i).ReplyLength = 13
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
}

func BenchmarkHotPath(b *testing.B) {
	w := start(b, 1, 1)
	w.work(0, fixed)
	c := w.clients(32)
	c.round()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += len(c.fds) {
		c.round()
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	w := start(t, 1, 1)
	w.work(0, fixed)
	w.clients(32).countAllocations()
}

func TestHotPathBesideHealthChecksDoesNotAllocate(t *testing.T) {
	w := startWith(t, 1, 1, checked)
	w.work(0, fixed)
	w.clients(32).countAllocations()
}

func TestHotPathThatIsCountedDoesNotAllocate(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { o.Count = true })
	w.work(0, fixed)
	w.clients(32).countAllocations()
}

func TestHotPathBehindAProxyDoesNotAllocate(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { trusting(t, o) })
	w.work(0, fixed)
	c := w.clients(32)
	c.request = []byte(proxied)
	c.countAllocations()
}

func TestHotPathWithAnAccessLogDoesNotAllocate(t *testing.T) {
	for _, format := range []string{"combined", "%(h)s %(U)s %({X-A}i)s %({Content-Type}o)s %(D)08d"} {
		t.Run(format, func(t *testing.T) {
			w := startWith(t, 1, 1, func(o *front.Options) {
				o.AccessLog = accessLog(t, format, filepath.Join(t.TempDir(), "log"))
				o.AccessLog.Only = accesslog.Only{{Slow: time.Hour}, {Low: 200, High: 299}}
			})
			w.work(0, fixed)
			w.clients(32).countAllocations()
		})
	}
}

func BenchmarkHotPathWithAnAccessLog(b *testing.B) {
	w := startWith(b, 1, 1, func(o *front.Options) { o.AccessLog = accessLog(b, "combined", filepath.Join(b.TempDir(), "log")) })
	w.work(0, fixed)
	c := w.clients(32)
	c.round()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += len(c.fds) {
		c.round()
	}
}

// accessLog opens one, and closes it when the front has ended.
func accessLog(t testing.TB, text, path string) *front.AccessLog {
	t.Helper()
	format, err := accesslog.Compile(text)
	check(t, err)
	sink, err := observe.OpenSink("access log", path, slog.New(slog.DiscardHandler))
	check(t, err)
	t.Cleanup(func() { sink.Close(10 * time.Second) })
	return &front.AccessLog{Format: format, Sink: sink, Boot: "0000beef"}
}

func (c *clients) countAllocations() {
	if raceEnabled {
		c.t.Skip("the race detector allocates")
	}
	for range 10 {
		c.round()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const requests = 100_000
	for n := 0; n < requests; n += len(c.fds) {
		c.round()
	}
	runtime.ReadMemStats(&after)
	// The runtime itself allocates now and then (a thread, a timer): far from one per request.
	if allocations := after.Mallocs - before.Mallocs; allocations > requests/1000 {
		c.t.Errorf("%d requests made %d allocations", requests, allocations)
	}
	if after.NumGC != before.NumGC {
		c.t.Errorf("%d requests made %d garbage collections", requests, after.NumGC-before.NumGC)
	}
}
