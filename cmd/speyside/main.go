// Command speyside serves a Python WSGI application: arguments become settings, settings a running server, and its end
// an exit code. Whatever goes wrong is printed here, by printError, and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

func main() { os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

// run does what the arguments ask for and returns the exit code.
func run(args []string, env func(string) string, stdout, stderr io.Writer) int {
	err := do(args, env, stdout, stderr)
	var ended exited
	switch {
	case err == nil, errors.Is(err, errCommandHelp):
		return fault.ExitStopped
	case errors.Is(err, errCallerTold):
		return fault.ExitConfiguration
	case errors.Is(err, settings.ErrVersion):
		fmt.Fprintln(stdout, "speyside", settings.Version)
		return fault.ExitStopped
	case errors.As(err, &ended): // and has said why
		return int(ended)
	default:
		printError(stderr, inkFor(stderr, env), err)
		return fault.ExitCode(err)
	}
}

// do obeys the command that the arguments name.
func do(args []string, env func(string) string, stdout, stderr io.Writer) error {
	if len(args) > 1 && args[0] == callerFlag {
		return serveCaller(args[1], args[2:])
	}
	c := called(args)
	c.env, c.stdout, c.stderr, c.daemon = env, stdout, stderr, isDetached()
	return perhapsCommand(c, c.do())
}

// perhapsCommand adds to a module that does not exist the command that was perhaps meant.
func perhapsCommand(c *call, err error) error {
	var failed *fault.Error
	if !c.implied || len(c.args) == 0 || !errors.As(err, &failed) || failed.Fault != fault.ImportFailed {
		return err
	}
	near := settings.Nearest(c.args[0], commandNames())
	if near == "" || !strings.Contains(failed.Error(), "'"+c.args[0]+"'") {
		return err
	}
	return failed.WithHint("did you mean the command %s? Else: %s", near, fault.Hint(failed))
}

// server is what signals do something to.
type server interface {
	Drain()
	Interrupt()
	Reload()
	ScaleBy(more int)
	Upgrade()
	ReopenLogs()
}

// relay obeys signals: INT or TERM drains, an INT while it drains stops at once, and so does QUIT at any time; HUP reloads, USR2 upgrades, USR1 opens the log files anew. TTIN is
// one worker more, TTOU one fewer.
func relay(ctx context.Context, signals <-chan os.Signal, server server, stop func()) {
	for draining := false; ; {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
			switch {
			case sig == syscall.SIGQUIT, sig == syscall.SIGINT && draining:
				stop()
			case sig == syscall.SIGHUP:
				server.Reload()
			case sig == syscall.SIGTTIN:
				server.ScaleBy(1)
			case sig == syscall.SIGTTOU:
				server.ScaleBy(-1)
			case sig == syscall.SIGUSR1:
				server.ReopenLogs()
			case sig == syscall.SIGUSR2:
				server.Upgrade()
			case sig == syscall.SIGINT:
				draining = true
				server.Interrupt()
			default:
				draining = true
				server.Drain()
			}
		}
	}
}

// printError says what went wrong, and what to do next when somebody knows.
func printError(w io.Writer, ink ink, err error) {
	for _, err := range fault.Each(err) {
		printOne(w, ink, err)
	}
}

func printOne(w io.Writer, ink ink, err error) {
	code := ""
	if f := fault.Of(err); f != nil {
		code = " [" + f.Code + "]"
	}
	fmt.Fprintf(w, "speyside: %s %v%s\n", ink.red("error:"), err, code)
	if hint := fault.Hint(err); hint != "" {
		fmt.Fprintf(w, "speyside: %s %s\n", ink.cyan("hint:"), hint)
	}
}
