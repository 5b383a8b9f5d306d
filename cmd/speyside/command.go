package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/config/twist"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// errCommandHelp says that the help of a command was asked for, and has been printed.
var errCommandHelp = errors.New("the command's help is wanted")

// command is one word of the command line. It is meant where its name is the first argument; an application of the same name is
// served as speyside serve NAME, ./NAME.py, NAME:app, or after a flag. One entry in commands makes what runs, its help, its line in
// the help of the program, its completion in every shell and its part of the manual page.
//
// A command declares flags of its own, which are parsed before it runs, or it reads its arguments itself (raw). With settings it takes the
// flags of the server: it gives its arguments to settings.ParseFlags, and settings.ErrHelp back to who called it.
type command struct {
	name      string
	group     group
	summary   string          // lower-case, without a full stop
	arguments string          // what follows its name in the usage
	about     func() string   // more for its help: lines of at most 80 columns; nil: nothing. It is made when it is shown
	words     func() []string // what its argument can be, for completion; nil: anything

	foreign  func() []offered            // the flags that it reads itself, for completion
	settings bool                        // it takes the flags of the server
	own      func(*pflag.FlagSet) action // declares the flags; what it returns does the work
	raw      func(*call) error           // reads the arguments itself, --help too where settings is not set
}

// action does the work of a command.
type action func(*call) error

// call is a command with what it is called with.
type call struct {
	command        *command
	implied        bool     // no command was named
	args           []string // those that are no flags; of a raw command all
	env            func(string) string
	stdout, stderr io.Writer
	daemon         *detached // nil: this process has not been started as a daemon
}

// group is what a command has to do with, a heading of the help.
type group string

// The groups, in the order of the help.
const (
	groupServing group = "Serving"
	groupRunning group = "Running servers"
	groupOthers  group = "Other"
)

func groups() []group { return []group{groupServing, groupRunning, groupOthers} }

// commands are all commands, in the order of the help. The first is the one that is meant where none is named.
func commands() []command {
	return []command{
		{name: "serve", group: groupServing, summary: "serve an application; what speyside does where no command is named", arguments: "[flags] APP",
			settings: true, raw: serveCommand},
		{name: "gunicorn", group: groupServing, summary: "serve as gunicorn would with the same arguments", arguments: "[flags] [APP]",
			about: gunicorn.Help, foreign: gunicornFlags, raw: gunicornCommand},
		{name: "twist", group: groupServing, summary: "serve as Twisted's twist would with the same arguments", arguments: "[flags] web [flags]",
			about: func() string { return twist.Help }, raw: twistCommand},
		{name: "config", group: groupServing, summary: "show every effective value and where it comes from", arguments: "[flags] APP",
			settings: true, raw: configCommand},
		{name: "import", group: groupServing, summary: "write the configuration of uWSGI or gunicorn as a speyside.toml", arguments: "FILE", own: importCommand},
		{name: "status", group: groupRunning, summary: "show what a server is doing now",
			own: onServers(status, "json", "one JSON object for each server, a line each", "")},
		{name: "reload", group: groupRunning, summary: "load the application again, and tell what became of it", own: onServers(reload, "", "", "")},
		{name: "scale", group: groupRunning, summary: "have a server run that many workers from now on", arguments: "WORKERS",
			own: onServers(scale, "", "", "WORKERS")},
		{name: "stop", group: groupRunning, summary: "have a server finish what it accepted and end", own: onServers(stop, "now", "end at once", "")},
		{name: "completion", group: groupOthers, summary: "print what has a shell complete commands, flags and their values", arguments: "bash|zsh|fish",
			about: func() string { return completionAbout }, words: shells, raw: completionCommand},
		{name: "man", group: groupOthers, summary: "print the manual page; speyside man | man -l - shows it", raw: manCommand},
		{name: "help", group: groupOthers, words: commandNames, summary: "show what a command does, and its flags", arguments: "[COMMAND]", raw: helpCommand},
	}
}

// commandNamed returns the command with this name, or nil.
func commandNamed(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

// called returns the command that the arguments name with what it is called with: serve, where they name none.
func called(args []string) *call {
	if len(args) > 0 {
		if c := commandNamed(args[0]); c != nil {
			return &call{command: c, args: args[1:]}
		}
	}
	return &call{command: &commands()[0], implied: true, args: args}
}

// do runs the command.
func (call *call) do() error {
	c := call.command
	if c.raw != nil {
		err := c.raw(call)
		if c.settings && errors.Is(err, settings.ErrHelp) {
			return call.help()
		}
		return err
	}
	flags, run := c.flags()
	switch err := flags.Parse(call.args); {
	case errors.Is(err, pflag.ErrHelp):
		return call.help()
	case err != nil:
		return fault.New(fault.Usage, "%w", err).WithHint("speyside help %s lists its flags.", c.name)
	}
	call.args = flags.Args()
	return run(call)
}

// flags are those that the command declares itself, and its action.
func (c *command) flags() (*pflag.FlagSet, action) {
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	if c.own == nil {
		return flags, nil
	}
	return flags, c.own(flags)
}

// help prints the help of the command, or of the program where none was named.
func (call *call) help() error {
	text := call.command.help()
	if call.implied {
		text = help()
	}
	fmt.Fprint(call.stdout, inkFor(call.stdout, call.env).help(text))
	return errCommandHelp
}

// noArguments refuses arguments of a command that takes none: an application may have its name.
func noArguments(c *call) error {
	if len(c.args) == 0 {
		return nil
	}
	name := c.command.name
	return fault.New(fault.Usage, "speyside %s takes no arguments, and was given %s", name, strings.Join(c.args, " ")).
		WithHint("to serve an application of that name, write speyside serve %s; for the command, see speyside help %s.", name, name)
}

// helpCommand shows the help of the program, or of a command.
func helpCommand(c *call) error {
	args := slices.DeleteFunc(slices.Clone(c.args), func(arg string) bool { return arg == "-h" || arg == "--help" })
	switch {
	case len(args) > 1:
		return fault.New(fault.Usage, "speyside help takes one command, and was given %s", strings.Join(args, " "))
	case len(args) == 0 && len(c.args) == 0:
		fmt.Fprint(c.stdout, inkFor(c.stdout, c.env).help(help()))
		return nil
	case len(args) == 0:
		return c.help()
	}
	asked := commandNamed(args[0])
	if asked == nil {
		return fault.New(fault.Usage, "there is no command %s", printable(args[0])).
			WithHint("%s", didYouMean(args[0], commandNames(), "speyside help lists every command."))
	}
	fmt.Fprint(c.stdout, inkFor(c.stdout, c.env).help(asked.help()))
	return nil
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// didYouMean is a hint that begins with the name that was probably meant.
func didYouMean(typed string, names []string, rest string) string {
	if near := settings.Nearest(typed, names); near != "" {
		return "did you mean " + near + "? " + rest
	}
	return rest
}
