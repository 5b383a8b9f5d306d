package main

import (
	"strings"
	"testing"

	"speyside.dev/speyside/internal/control"
)

func TestCommandIsOneOnlyAsTheFirstArgument(t *testing.T) {
	for _, args := range []string{"status", "reload --pid 3", "stop --now"} {
		if commandNamed(strings.Fields(args)) == nil {
			t.Errorf("%q is no command", args)
		}
	}
	for _, args := range []string{"", "status:app", "./status.py", "status.py", "--workers 2 status", "statuses", "-w2 stop"} {
		if commandNamed(strings.Fields(args)) != nil {
			t.Errorf("%q is a command", args)
		}
	}
}

func TestCommandsSayWhatTheyDoNotUnderstand(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"status --help", 0, "Usage: speyside status [flags]\n\nShow what a server is doing now.\n"},
		{"scale 3 4", 2, "speyside scale takes one argument, WORKERS [SPY0002]"},
		{"scale many", 2, "which is no number of workers [SPY0002]"},
		{"scale -h", 0, "Usage: speyside scale WORKERS [flags]\n"},
		{"stop -h", 0, "      --now"},
		{"status --now", 2, "speyside: error: unknown flag: --now [SPY0002]\n"},
		{"reload --pid x", 2, "invalid argument \"x\" for \"--pid\""},
		{"status app", 2, "speyside status takes no arguments, and was given app [SPY0002]\nspeyside: hint: to serve an application of that name, write speyside ./status.py"},
		{"status --pid 999999999", 1, "no server with pid 999999999 is running [SPY0021]\n"},
		{"stop --control-socket /nowhere", 1, "no server answers at /nowhere: "},
	} {
		code, stdout, stderr := runWith(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%s: exit %d, %q, %q", c.args, code, stdout, stderr)
		}
	}
}

func TestStatusCannotMoveTheTerminal(t *testing.T) {
	var text strings.Builder
	writeStatus(&text, &control.Status{Name: "a\x1b[2J", LastReload: &control.Reload{Generation: 2, Error: "b\x1b", Traceback: "c\x1b\nd"},
		Generations: []control.Generation{{Workers: []control.Worker{{InHand: []control.Request{{Method: "GET", Path: "/\x1b]0;x\x07\u202e"}}}}}}})
	if out := printable(text.String()); strings.ContainsAny(out, "\x1b\x07\u202e\r") || !strings.Contains(out, "    d\n") {
		t.Errorf("%q", out)
	}
}

func TestStatusShowsTheOldestOfManyRequests(t *testing.T) {
	var text strings.Builder
	g := control.Generation{Queue: make([]control.Request, 25)}
	writeStatus(&text, &control.Status{Generations: []control.Generation{g}, SilentLoops: []int{1}})
	for _, want := range []string{"queue of 25\n", "and 15 more\n", "event loop   1 does not answer"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, text.String())
		}
	}
}

func TestAgesAndSizesAreReadable(t *testing.T) {
	for seconds, want := range map[float64]string{0.0123: "10ms", 1.234: "1.23s", 75: "1m15s", 7300: "2h2m", 86400 * 12: "12d"} {
		if got := age(seconds); got != want {
			t.Errorf("%v s is %q instead of %q", seconds, got, want)
		}
	}
	for bytes, want := range map[int64]string{0: "-", 1 << 20: "1.0 MB", 3 << 29: "1.50 GB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d bytes are %q instead of %q", bytes, got, want)
		}
	}
}
