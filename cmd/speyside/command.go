package main

import (
	"errors"
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

// errCommandHelp says that the help of a command was asked for.
var errCommandHelp = errors.New("the command's help is wanted")

// command is what is done to running servers. One is meant where its name is the first argument; an application of the same name is
// served as ./status.py, status:app, or after a flag.
type command struct {
	name, summary string
	run           func(*choice, io.Writer) error
	flag          string // its own, a switch
	flagSays      string
	argument      string // what its one argument is, in the usage; empty: it takes none
}

// choice is which server is meant, and how.
type choice struct {
	pid    int
	name   string
	socket string
	flag   bool      // the command's own
	given  string    // its argument
	stderr io.Writer // for what concerns other servers
}

// commandNamed returns the command that the arguments begin with, or nil.
func commandNamed(args []string) *command {
	if len(args) == 0 {
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return &c
		}
	}
	return nil
}

func commands() []command {
	return []command{
		{name: "status", summary: "show what a server is doing now", run: status, flag: "json", flagSays: "one JSON object for each server, a line each"},
		{name: "reload", summary: "load the application again, and tell what became of it", run: reload},
		{name: "scale", summary: "have a server run that many workers from now on", run: scale, argument: "WORKERS"},
		{name: "stop", summary: "have a server finish what it accepted and end", run: stop, flag: "now", flagSays: "end at once"},
	}
}

// do runs the command with the arguments after its name.
func (c *command) do(args []string, env func(string) string, stdout, stderr io.Writer) error {
	chosen := choice{stderr: stderr}
	if path := env("SPEYSIDE_CONTROL_SOCKET"); path != settings.ControlOff && path != settings.ControlAbstract {
		chosen.socket = path
	}
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	flags.IntVar(&chosen.pid, "pid", 0, "the server with this pid")
	flags.StringVarP(&chosen.name, "name", "n", "", "the server with this name")
	flags.StringVar(&chosen.socket, "control-socket", chosen.socket, "the server whose control socket has this path")
	if c.flag != "" {
		flags.BoolVar(&chosen.flag, c.flag, false, c.flagSays)
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprintf(stdout, "Usage: speyside %s [flags]\n\n%s.\n\n%s", strings.TrimSpace(c.name+" "+c.argument), strings.ToUpper(c.summary[:1])+c.summary[1:], flags.FlagUsages())
		return errCommandHelp
	case err != nil:
		return fault.New(fault.Usage, "%w", err)
	case c.argument != "" && flags.NArg() == 1:
		chosen.given = flags.Arg(0)
	case c.argument != "":
		return fault.New(fault.Usage, "speyside %s takes one argument, %s", c.name, c.argument).WithHint("speyside scale 4 is 4 workers.")
	case flags.NArg() > 0:
		return fault.New(fault.Usage, "speyside %s takes no arguments, and was given %s", c.name, strings.Join(flags.Args(), " ")).
			WithHint("to serve an application of that name, write speyside ./%s.py or speyside %s:app; for the command, see speyside %s --help.",
				c.name, c.name, c.name)
	}
	return c.run(&chosen, stdout)
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
