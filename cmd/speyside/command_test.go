package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"speyside.dev/speyside/internal/control"
	"speyside.dev/speyside/internal/settings"
)

func TestCommandIsOneOnlyAsTheFirstArgument(t *testing.T) {
	for args, want := range map[string]string{"status": "status []", "reload --pid 3": "reload [--pid 3]", "serve status": "serve [status]",
		"": "serve []", "status:app": "serve [status:app]", "./status.py": "serve [./status.py]", "status.py": "serve [status.py]",
		"--workers 2 status": "serve [--workers 2 status]", "statuses": "serve [statuses]", "-w2 stop": "serve [-w2 stop]"} {
		c := called(strings.Fields(args))
		if got := fmt.Sprint(c.command.name, " ", c.args); got != want {
			t.Errorf("%q is %s instead of %s", args, got, want)
		}
	}
}

func TestEveryCommandIsToldAboutWithinEightyColumns(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands() {
		if seen[c.name] || c.summary == "" || strings.HasSuffix(c.summary, ".") || !slices.Contains(groups(), c.group) || (c.own == nil) == (c.raw == nil) {
			t.Errorf("the entry of %s is not complete, or not the only one", c.name)
		}
		seen[c.name] = true
		if !strings.Contains(help(), "\n  "+c.name+" ") {
			t.Errorf("--help lacks %s", c.name)
		}
		for _, line := range strings.Split(c.help()+help(), "\n") {
			if utf8.RuneCountInString(line) > helpWidth || strings.TrimRight(line, " ") != line {
				t.Errorf("too long, or spaces at its end: %q", line)
			}
		}
	}
}

func TestHelpOfACommandIsTheSameByEitherName(t *testing.T) {
	for _, c := range commands() {
		code, asked, _ := runWith("help", c.name)
		_, flag, _ := runWith(c.name, "--help")
		if code != 0 || asked == "" || asked != flag || !strings.HasPrefix(asked, "Usage: speyside "+c.name) {
			t.Errorf("%s: exit %d, %q and %q", c.name, code, asked, flag)
		}
	}
	_, all, _ := runWith("help")
	if _, flag, _ := runWith("--help"); all != flag {
		t.Error("speyside help is not speyside --help")
	}
}

func TestCommandsSayWhatTheyDoNotUnderstand(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"status --help", 0, "Usage: speyside status [flags]\n\nShow what a server is doing now.\n\nFlags:\n"},
		{"scale 3 4", 2, "speyside scale takes one argument, WORKERS [SPY0002]"},
		{"scale many", 2, "which is no number of workers [SPY0002]"},
		{"scale -h", 0, "Usage: speyside scale WORKERS [flags]\n"},
		{"stop -h", 0, "      --now"},
		{"status --now", 2, "speyside: error: unknown flag: --now [SPY0002]\n"},
		{"reload --pid x", 2, "invalid argument \"x\" for \"--pid\""},
		{"status app", 2, "speyside status takes no arguments, and was given app [SPY0002]\nspeyside: hint: to serve an application of that name, write speyside serve status; for the command"},
		{"help relod", 2, "speyside: error: there is no command relod [SPY0002]\nspeyside: hint: did you mean reload? speyside help lists every command.\n"},
		{"help status stop", 2, "speyside help takes one command, and was given status stop [SPY0002]"},
		{"serve --help", 0, "Usage: speyside serve [flags] APP\n"},
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

func TestManualHasEveryCommandAndSetting(t *testing.T) {
	page := manual()
	for _, c := range commands() {
		if !strings.Contains(page, "\n.B "+c.name) {
			t.Errorf("the manual page lacks %s", c.name)
		}
	}
	for _, s := range settings.Table() {
		if flag := strings.ReplaceAll(s.FlagName(), "-", `\-`); !s.Positional && !strings.Contains(page, `\fB\-\-`+flag+`\fR`) {
			t.Errorf("the manual page lacks --%s", s.FlagName())
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "'") || strings.Contains(line, "`") {
			t.Errorf("a line of the manual page is malformed: %s", line)
		}
	}
}
