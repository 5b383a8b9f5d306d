//go:build linux

// Package service is the side of the server that whoever runs it sees: what a service manager is told, and the file with the pid.
//
// Callers need [NewNotifier] and [WritePid]. The package decides nothing: what there is to tell, and when, is said to it.
package service

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

const (
	// mostUntold bounds what waits for a manager that does not listen.
	mostUntold = 64
	// lastWords is how long the end of the server waits for it.
	lastWords = time.Second
)

// Notifier tells the service manager of NOTIFY_SOCKET (sd_notify(3)) what the server does. Its methods do not wait, and do
// nothing where there is no manager.
type Notifier struct {
	log  *slog.Logger
	done chan struct{}

	mu     sync.Mutex
	untold chan string // nil when nobody is told
}

// NewNotifier finds the manager. What it is told comes to it in order.
func NewNotifier(log *slog.Logger) *Notifier {
	n := &Notifier{log: log}
	if !n.Managed() {
		return n
	}
	n.untold, n.done = make(chan string, mostUntold), make(chan struct{})
	go n.run(n.untold)
	return n
}

// Managed reports whether there is somebody to tell.
func (n *Notifier) Managed() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

func (n *Notifier) run(untold <-chan string) {
	defer close(n.done)
	failed := false
	for state := range untold {
		_, err := daemon.SdNotify(false, state)
		if err != nil && !failed {
			n.log.Warn("service manager not told", "what", strings.ReplaceAll(state, "\n", " "), "error", err)
		}
		failed = err != nil
	}
}

func (n *Notifier) tell(lines ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.untold == nil {
		return
	}
	select {
	case n.untold <- strings.Join(lines, "\n"):
	default: // it has not listened for a while
	}
}

// Status tells a person what the server does.
func (n *Notifier) Status(text string) { n.tell(status(text)) }

// Ready says that the server serves, or that a reload has come to its end.
func (n *Notifier) Ready(text string) { n.tell(daemon.SdNotifyReady, status(text)) }

// Reloading says that a reload has begun; Ready ends it.
func (n *Notifier) Reloading(text string) {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	n.tell(daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000), status(text))
}

// Stopping says that the server ends.
func (n *Notifier) Stopping(text string) { n.tell(daemon.SdNotifyStopping, status(text)) }

// HandOver says which process the service is from now on, and returns when that was told. Nothing is told after it.
func (n *Notifier) HandOver(pid int) {
	n.tell(fmt.Sprintf("MAINPID=%d", pid))
	n.Close()
}

// status is one line, whatever an application's error has.
func status(text string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}

// Watch feeds the manager's watchdog, where it has one, until ctx ends: only while alive says that the server turns.
func (n *Notifier) Watch(ctx context.Context, alive func(context.Context) bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("watchdog not fed", "error", err)
	}
	if interval > 0 {
		n.watch(ctx, interval/2, alive)
	}
}

func (n *Notifier) watch(ctx context.Context, every time.Duration, alive func(context.Context) bool) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for hungry := false; ; {
		patience, cancel := context.WithTimeout(ctx, every)
		fed := alive(patience)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case fed:
			n.tell(daemon.SdNotifyWatchdog)
		case !hungry:
			n.log.Error("watchdog not fed", "why", "an event loop does not answer")
		}
		hungry = !fed
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close returns when everything was told, or a moment later. Nothing is told after it.
func (n *Notifier) Close() {
	n.mu.Lock()
	untold := n.untold
	n.untold = nil
	n.mu.Unlock()
	if untold == nil {
		return
	}
	close(untold)
	select {
	case <-n.done:
	case <-time.After(lastWords):
	}
}
