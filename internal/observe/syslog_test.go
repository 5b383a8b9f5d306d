//go:build linux

package observe

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// takeDatagrams returns a socket that takes datagrams, and its path.
func takeDatagrams(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, path
}

// next is the next datagram.
func next(t *testing.T, conn net.PacketConn) string {
	t.Helper()
	buffer := make([]byte, 64<<10)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, _, err := conn.ReadFrom(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func TestRecordsAndLinesAreMessagesOfSyslog(t *testing.T) {
	conn, path := takeDatagrams(t)
	s := OpenSyslog([]string{"unixgram", "unix"}, path, 19, "speyside.shop", slog.New(slog.DiscardHandler))
	log := slog.New(s.Handler(slog.LevelDebug))
	log.Info("worker ready", "worker", 3)
	log.Warn("drain cut short")
	log.Error("application raised", "path", "/a\nb", Text("Traceback\nValueError\n"))
	log.Debug("looked")
	s.Line([]byte(`127.0.0.1 "GET / HTTP/1.1" 200`))
	s.Close(20 * time.Second)
	for _, want := range []string{"<158>speyside.shop.error: [%d] worker ready worker=3\x00", "<156>speyside.shop.error: [%d] drain cut short\x00",
		"<155>speyside.shop.error: [%d] application raised path=\"/a\\nb\"\n    Traceback\n    ValueError\x00", "<159>speyside.shop.error: [%d] looked\x00",
		"<158>speyside.shop.access: [%d] 127.0.0.1 \"GET / HTTP/1.1\" 200\x00"} {
		if got := next(t, conn); got != fmt.Sprintf(want, os.Getpid()) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMessagesGoToAStreamWhereThereIsNoDatagramSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	s := OpenSyslog([]string{"unixgram", "unix"}, path, 1, "t", slog.New(slog.DiscardHandler))
	s.Line([]byte("a"))
	s.Line([]byte("b"))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.Close(20 * time.Second)
	buffer := make([]byte, 1000)
	all := ""
	for !strings.HasSuffix(all, "b\x00") {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err, all)
		}
		all += string(buffer[:n])
	}
	if strings.Count(all, "\x00") != 2 {
		t.Errorf("%q", all)
	}
}

func TestMessagesThatNobodyTakesAreLostAndTold(t *testing.T) {
	log := &told{}
	s := OpenSyslog([]string{"unixgram"}, filepath.Join(t.TempDir(), "nobody"), 1, "t", slog.New(NewHandler(log, slog.LevelInfo)))
	for range 3 {
		s.Line([]byte("a"))
	}
	s.Close(20 * time.Second)
	total := 0
	for line := range strings.Lines(log.String()) {
		var n int
		if at := strings.Index(line, "syslog messages lost messages="); at < 0 {
			t.Errorf("%q", line)
		} else if _, err := fmt.Sscanf(line[at:], "syslog messages lost messages=%d", &n); err != nil || !strings.Contains(line, "no such file") {
			t.Errorf("%q: %v", line, err)
		}
		total += n
	}
	if total != 3 {
		t.Errorf("%d are told of\n%s", total, log)
	}
}

func TestNobodyWaitsForAServerThatTakesNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	log := &told{}
	s := OpenSyslog([]string{"tcp"}, listener.Addr().String(), 1, "t", slog.New(NewHandler(log, slog.LevelInfo)))
	line := []byte(strings.Repeat("x", 2*syslogLongest))
	began := time.Now()
	for range 20 * syslogQueue { // 160 MiB: more than queue and sockets take
		s.Line(line)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if s.lost.Load() == 0 {
		t.Error("nothing was lost")
	}
	s.Close(10 * time.Millisecond)
}

func TestServerThatWasStartedAnewGetsWhatFollows(t *testing.T) {
	conn, path := takeDatagrams(t)
	s := OpenSyslog([]string{"unixgram"}, path, 1, "t", slog.New(slog.DiscardHandler))
	s.Line([]byte("before"))
	next(t, conn)
	_ = conn.Close()
	_ = os.Remove(path)
	again, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	s.Line([]byte("after"))
	if got := next(t, again); !strings.HasSuffix(got, "after\x00") {
		t.Errorf("%q", got)
	}
	s.Close(20 * time.Second)
}
