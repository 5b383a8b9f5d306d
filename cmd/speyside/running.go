package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/control"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// choice is which of the running servers is meant, and how.
type choice struct {
	pid    int
	name   string
	socket string
	flag   bool      // the command's own
	given  string    // its argument
	stderr io.Writer // for what concerns other servers
}

// onServers makes the flags and the action of a command for running servers: flag is a switch of its own, argument what its one argument
// is; either may be empty.
func onServers(run func(*choice, io.Writer) error, flag, flagSays, argument string) func(*pflag.FlagSet) action {
	return func(flags *pflag.FlagSet) action {
		var c choice
		flags.IntVar(&c.pid, "pid", 0, "the server with this `PID`")
		flags.StringVarP(&c.name, "name", "n", "", "the server with this `NAME`")
		flags.StringVar(&c.socket, "control-socket", "", "the server whose control socket has this `PATH`")
		if flag != "" {
			flags.BoolVar(&c.flag, flag, false, flagSays)
		}
		return func(call *call) error {
			path := call.env("SPEYSIDE_CONTROL_SOCKET")
			if !flags.Changed("control-socket") && path != settings.ControlOff && path != settings.ControlAbstract {
				c.socket = path
			}
			c.stderr = call.stderr
			if argument != "" {
				if len(call.args) != 1 {
					return fault.New(fault.Usage, "speyside %s takes one argument, %s", call.command.name, argument).
						WithHint("speyside scale 4 is 4 workers.")
				}
				c.given = call.args[0]
			} else if err := noArguments(call); err != nil {
				return err
			}
			return run(&c, call.stdout)
		}
	}
}

// servers are those that are meant; at least one.
func (c *choice) servers() ([]*control.Server, error) {
	if c.socket != "" {
		s, err := control.At(c.socket)
		switch {
		case s == nil:
			return nil, fault.New(fault.ServerNotFound, "no server answers at %s: %w", c.socket, err)
		case err != nil:
			return nil, fault.New(fault.ServerSilent, "the server with pid %d does not answer: %w", s.Pid, err)
		}
		return []*control.Server{s}, nil
	}
	silent := map[int]error{}
	found := control.Find(c.pid, func(pid int, err error) { silent[pid] = err })
	found = slices.DeleteFunc(found, func(s *control.Server) bool {
		return c.pid != 0 && s.Pid != c.pid || c.name != "" && s.Status.Name != c.name
	})
	if len(found) == 1 && silent[found[0].Pid] != nil {
		return nil, fault.New(fault.ServerSilent, "the server with pid %d does not answer: %w", found[0].Pid, silent[found[0].Pid])
	}
	for pid, err := range silent {
		fmt.Fprintf(c.stderr, "speyside: warning: the server with pid %d does not answer: %s\n", pid, printable(err.Error()))
	}
	switch {
	case len(found) > 0:
		return found, nil
	case c.pid != 0:
		return nil, fault.New(fault.ServerNotFound, "no server with pid %d is running", c.pid)
	case c.name != "":
		return nil, fault.New(fault.ServerNotFound, "no server named %s is running", c.name)
	}
	return nil, fault.New(fault.ServerNotFound, "no server is running").
		WithHint("speyside APP starts one; one that runs as another user is that user's and root's, and one with a path for its control socket " +
			"is named with --control-socket.")
}

// server is the one that is meant.
func (c *choice) server() (*control.Server, error) {
	found, err := c.servers()
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		var each []string
		for _, s := range found {
			each = append(each, fmt.Sprintf("%d (%s)", s.Pid, printable(s.Status.Name)))
		}
		return nil, fault.New(fault.ServerAmbiguous, "%d servers are running: %s", len(found), strings.Join(each, ", "))
	}
	return found[0], nil
}

// reload prints what became of it; a failure is that of the generation.
func reload(c *choice, stdout io.Writer) error {
	s, err := c.server()
	if err != nil {
		return err
	}
	outcome, err := s.Reload()
	if err != nil {
		return fault.New(fault.ServerSilent, "the server with pid %d did not tell what became of the reload: %w", s.Pid, err)
	}
	if outcome.Error == "" {
		fmt.Fprintf(stdout, "generation %d is in service\n", outcome.Generation)
		return nil
	}
	if outcome.Traceback != "" {
		fmt.Fprint(c.stderr, printable(outcome.Traceback))
	}
	why := fault.ByCode(outcome.Code)
	if why == nil {
		why = fault.ReloadFailed
	}
	failed := fault.New(why, "generation %d was not taken into service, the one before serves on: %s", outcome.Generation, printable(outcome.Error))
	if outcome.Hint != "" {
		return failed.WithHint("%s", printable(outcome.Hint))
	}
	return failed
}

// scale returns when the server has taken note; workers come and go after that.
func scale(c *choice, stdout io.Writer) error {
	workers, err := strconv.Atoi(c.given)
	if err != nil {
		return fault.New(fault.Usage, "speyside scale was given %s, which is no number of workers", printable(c.given)).WithHint("speyside scale 4 is 4 workers.")
	}
	s, err := c.server()
	if err != nil {
		return err
	}
	scaled, err := s.Scale(workers)
	switch {
	case err != nil:
		return fault.New(fault.ServerSilent, "the server with pid %d did not tell what came of it: %w", s.Pid, err)
	case scaled.Error != "":
		return fault.New(fault.NotScaled, "%s", printable(scaled.Error)).WithHint("%s", printable(scaled.Hint))
	}
	fmt.Fprintf(stdout, "%s from now on, %d before\n", plural(scaled.Workers, "worker"), scaled.Before)
	return nil
}

// stop returns when the server has ended.
func stop(c *choice, stdout io.Writer) error {
	s, err := c.server()
	if err != nil {
		return err
	}
	if err := s.Stop(c.flag); err != nil {
		return fault.New(fault.ServerSilent, "the server with pid %d did not say that it stops: %w", s.Pid, err)
	}
	fmt.Fprintf(stdout, "the server with pid %d has stopped\n", s.Pid)
	return nil
}
