//go:build linux

package service

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manager is what a service manager hears.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	heard, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { heard.Close() })
	t.Setenv("NOTIFY_SOCKET", address.Name)
	return heard
}

func next(t *testing.T, heard *net.UnixConn, within time.Duration) string {
	t.Helper()
	buffer := make([]byte, 4096)
	if err := heard.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	n, err := heard.Read(buffer)
	if err != nil {
		return ""
	}
	return string(buffer[:n])
}

func TestWatchdogStarvesWhileALoopDoesNotAnswer(t *testing.T) {
	heard := manager(t)
	t.Setenv("WATCHDOG_USEC", "100000")
	var log strings.Builder
	n := NewNotifier(slog.New(slog.NewTextHandler(&log, nil)))
	var hangs atomic.Bool
	alive := func(ctx context.Context) bool {
		if hangs.Load() {
			<-ctx.Done()
			return false
		}
		return true
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { n.Watch(ctx, alive); close(over) }()
	for range 3 {
		if said := next(t, heard, 5*time.Second); said != "WATCHDOG=1" {
			t.Fatalf("heard %q", said)
		}
	}
	hangs.Store(true)
	for next(t, heard, 300*time.Millisecond) != "" { // one may be on its way
	}
	if said := next(t, heard, 300*time.Millisecond); said != "" {
		t.Fatalf("heard %q while a loop hangs", said)
	}
	hangs.Store(false)
	if said := next(t, heard, 5*time.Second); said != "WATCHDOG=1" {
		t.Fatalf("heard %q after it", said)
	}
	cancel()
	<-over
	if strings.Count(log.String(), "watchdog not fed") != 1 {
		t.Errorf("logged %q", log.String())
	}
	n.Close()
}

func TestStatusIsOneLine(t *testing.T) {
	heard := manager(t)
	n := NewNotifier(slog.New(slog.NewTextHandler(io.Discard, nil)))
	n.Ready("broken: two\nMAINPID=1")
	n.Close()
	n.Ready("told to nobody")
	if said := next(t, heard, 5*time.Second); said != "READY=1\nSTATUS=broken: two MAINPID=1" {
		t.Errorf("heard %q", said)
	}
	if said := next(t, heard, 100*time.Millisecond); said != "" {
		t.Errorf("heard %q after the end", said)
	}
}
