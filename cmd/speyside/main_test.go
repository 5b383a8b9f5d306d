package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"speyside.dev/speyside/internal/fault"
)

func runWith(args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(args, func(string) string { return "" }, &out, &errs)
	return code, out.String(), errs.String()
}

func TestHelpAndVersionGoToStdoutAndExitWithZero(t *testing.T) {
	for flag, want := range map[string]string{"--help": "Usage: speyside [flags] APP\n", "--version": "speyside 0."} {
		code, stdout, stderr := runWith(flag)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, want) {
			t.Errorf("%s: exit %d, %q, %q", flag, code, stdout, stderr)
		}
	}
}

func TestErrorsNameCodeAndNextStep(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "speyside: error: no application was named, and none was found in "},
		{[]string{"a", "--wrokers", "2"}, 2, "speyside: error: there is no flag --wrokers [SPY0002]\nspeyside: hint: did you mean --workers?"},
		{[]string{"a", "-w", "x"}, 1, "speyside: error: setting workers is \"x\" (from --workers): it must be auto or an integer from 1 to 1024 [SPY0001]\n"},
	} {
		code, stdout, stderr := runWith(c.args...)
		if code != c.code || stdout != "" || !strings.HasPrefix(stderr, c.want) {
			t.Errorf("%q: exit %d, %q, %q", c.args, code, stdout, stderr)
		}
	}
}

func TestErrorWithoutFaultIsPrintedWithoutCode(t *testing.T) {
	var out strings.Builder
	printError(&out, false, errors.New("plain"))
	printError(&out, false, fault.New(fault.RequestMalformed, "odd"))
	if want := "speyside: error: plain\nspeyside: error: odd [SPY0201]\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// told is a server that notes what it is told.
type told struct {
	drained, reloaded, reopened chan struct{}
	scaled                      chan int
}

func newTold() told {
	return told{make(chan struct{}, 9), make(chan struct{}, 9), make(chan struct{}, 9), make(chan int, 9)}
}

func (t told) Drain()           { t.drained <- struct{}{} }
func (t told) Interrupt()       { t.Drain() }
func (t told) Reload()          { t.reloaded <- struct{}{} }
func (t told) ScaleBy(more int) { t.scaled <- more }
func (t told) Upgrade()         {}
func (t told) ReopenLogs()      { t.reopened <- struct{}{} }

func TestFirstSignalDrainsAndAnInterruptAfterItStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, server := make(chan os.Signal, 3), newTold()
	go relay(ctx, signals, server, stop)
	signals <- syscall.SIGTERM
	<-server.drained
	signals <- syscall.SIGTERM
	select {
	case <-ctx.Done():
		t.Fatal("a second TERM stopped it at once")
	case <-time.After(20 * time.Millisecond):
	}
	signals <- syscall.SIGINT
	<-ctx.Done()
}

func TestQuitStopsAtOnce(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, server := make(chan os.Signal), newTold()
	go relay(ctx, signals, server, stop)
	signals <- syscall.SIGQUIT
	<-ctx.Done()
}

func TestHangupReloads(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, server := make(chan os.Signal), newTold()
	go relay(ctx, signals, server, stop)
	signals <- syscall.SIGHUP
	<-server.reloaded
	signals <- syscall.SIGHUP
	<-server.reloaded
}

func TestUserSignalOneReopensLogs(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, server := make(chan os.Signal), newTold()
	go relay(ctx, signals, server, stop)
	signals <- syscall.SIGUSR1
	<-server.reopened
}

func TestTTINAndTTOUScale(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, server := make(chan os.Signal), newTold()
	go relay(ctx, signals, server, stop)
	for sig, want := range map[os.Signal]int{syscall.SIGTTIN: 1, syscall.SIGTTOU: -1} {
		signals <- sig
		if got := <-server.scaled; got != want {
			t.Errorf("%v: %d", sig, got)
		}
	}
}
