package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"speyside.dev/speyside"
	"speyside.dev/speyside/internal/settings"
)

// printBanner says, in one look, where the server is, what it serves and how to end it.
func printBanner(w io.Writer, ink ink, s speyside.Started, daemon bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s\n\n", ink.bold(fmt.Sprintf("Speyside %s is serving %s", settings.Version, application(s))))
	for _, url := range s.URLs {
		fmt.Fprintf(&b, "    %s\n", ink.cyan(url))
	}
	fmt.Fprintf(&b, "\n  %-10s %s\n", "workers", concurrency(s))
	fmt.Fprintf(&b, "  %-10s %s, %s\n", "Python", s.Python, interpreter(s))
	if s.Config != "" {
		fmt.Fprintf(&b, "  %-10s %s\n", "settings", s.Config)
	}
	fmt.Fprintf(&b, "  %-10s in %s\n", "started", s.Took.Round(time.Millisecond))
	stop := "Ctrl-C finishes what was accepted; again stops at once"
	if daemon {
		stop = fmt.Sprintf("kill %[1]d finishes what was accepted, as does speyside stop --pid %[1]d", os.Getpid())
	}
	fmt.Fprintf(&b, "  %-10s %s\n\n", "stop", stop)
	_, _ = io.WriteString(w, b.String()) // one write, so that log lines do not come between
}

func application(s speyside.Started) string {
	if s.Framework == "" {
		return s.App
	}
	return s.App + " (" + s.Framework + ")"
}

func interpreter(s speyside.Started) string {
	if s.WhyPython == "" {
		return s.Executable
	}
	return s.Executable + " (" + s.WhyPython + ")"
}

func concurrency(s speyside.Started) string {
	text := fmt.Sprintf("%d × %s", s.Workers, plural(s.Threads, "thread"))
	if s.WorkersMax > 0 {
		text += fmt.Sprintf(", %d to %d workers by demand", s.WorkersMin, s.WorkersMax)
	}
	if s.Reckoned != "" {
		text += " (auto: " + s.Reckoned + ")"
	}
	if s.Script && s.Workers*s.Threads == 1 {
		text += " (a script may keep state in globals; for more: --workers 2 --threads 4)"
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
