package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"speyside.dev/speyside"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// callerFlag is the first argument of a front that a Python process starts for itself, before the descriptor of its control socket
// (python/speyside/front.py). It is in no help: nobody else has that socket.
const callerFlag = "--caller"

// errCallerTold says that what went wrong has been told to the caller, which raises it.
var errCallerTold = errors.New("the caller has been told")

// serveCaller is the front of the process that has started this one. What is to be served is in the arguments alone: neither the environment nor
// any file is asked.
func serveCaller(descriptor string, args []string) error {
	number, err := strconv.Atoi(descriptor)
	if err != nil || number < 3 {
		return fault.New(fault.CallerGone, "%s is no descriptor", descriptor)
	}
	control := os.NewFile(uintptr(number), "control")
	defer control.Close()
	// A terminal signals the whole foreground group, and a service manager the whole group of processes: this one ends with its caller.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN,
		syscall.SIGTTOU, syscall.SIGPIPE)
	server, err := callersServer(control, args)
	switch {
	case err == nil:
		return server.Run(context.Background())
	case speyside.RefuseCaller(control, err):
		return errCallerTold
	}
	return err
}

// callersServer makes the server; each argument is NAME=VALUE, with the name of a setting.
func callersServer(control *os.File, args []string) (*speyside.Server, error) {
	var flags []string
	var app string
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		setting, known := settings.Named(name)
		switch {
		case !known:
			return nil, fault.New(fault.Usage, "there is no setting %s", printable(name)).WithHint("%s", didYouMean(name, settingNames(), "docs/settings.md has them all."))
		case setting.Positional:
			app = value
		default:
			flags = append(flags, "--"+setting.FlagName()+"="+value)
		}
	}
	line, err := settings.ParseFlags(append(flags, "--", app))
	if err != nil {
		return nil, err
	}
	s, err := settings.Resolve(settings.Sources{Flags: line.Given})
	if err != nil {
		return nil, err
	}
	return speyside.NewForCaller(s, control)
}

func settingNames() []string {
	var names []string
	for _, setting := range settings.Table() {
		names = append(names, setting.Name)
	}
	return names
}
