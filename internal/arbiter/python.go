//go:build linux

package arbiter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// Python is an interpreter that has been started and waits for orders. It can read a configuration that is a program, and goes on as
// the zygote of an Arbiter ([Options.Started]), or is closed. Its methods are called one at a time.
type Python struct {
	path    string
	reaper  *Reaper
	process *process
	control *control
	booted  bool // Speyside's package was found
	read    bool // it has been told to read a configuration
}

// Reading is a configuration to be executed as gunicorn does: a file or a module.
type Reading struct {
	Dir    string        // where it is executed; empty: the current directory
	File   string        // its path
	Module string        // or the name to import
	Names  []string      // of the settings; everything else in it does not count
	Limit  time.Duration // how long it may take
}

func (r *Reading) order() readConfiguration {
	return readConfiguration{Type: "ReadConfiguration", Form: "gunicorn", Dir: r.Dir, File: r.File, Module: r.Module, Names: r.Names, Limit: r.Limit.Milliseconds()}
}

// Configuration is what a configuration says of the settings. Nothing in it has been checked.
type Configuration struct {
	File   string  `json:"file"` // its absolute path; empty for a module that has none
	Values []Value `json:"values"`
	Hooks  []Hook  `json:"hooks"`
	Near   []Near  `json:"near"`
}

// Value is that of one setting.
type Value struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"` // nil when JSON has no such thing, or it is large
	Repr  string          `json:"repr"`  // as Python shows it, up to 200 characters
	Type  string          `json:"type"`  // Python's name for its type
	Line  int             `json:"line"`  // 0 when it is not known
}

// Hook is a setting that is a function.
type Hook struct {
	Name      string `json:"name"`
	Arguments int    `json:"arguments"`
	Line      int    `json:"line"`
}

// Near is a name that is no setting, and looks like one.
type Near struct {
	Name    string `json:"name"`
	Nearest string `json:"nearest"`
	Line    int    `json:"line"`
}

// readingGrace is how much longer than its limit a configuration may take: Python notices the limit itself, and can say where it is.
const readingGrace = 2 * time.Second

// bootPatience is how long an interpreter may take to start, which no configuration can help.
const bootPatience = 30 * time.Second

// StartPython starts the interpreter: line is its path, and the arguments that start Speyside's boot module in it. There is no reaper before there is a server. The error is a *fault.Error.
func StartPython(line []string, reaper *Reaper) (*Python, error) {
	p, err := startPython(line, reaper)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func startPython(line []string, reaper *Reaper) (*Python, *fault.Error) {
	path := line[0]
	ours, theirs, err := newControl()
	if err != nil {
		return nil, fault.New(fault.PythonNotFound, "starting %s: %w", path, err)
	}
	defer theirs.Close()
	command := exec.Command(path, line[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.ExtraFiles = []*os.File{theirs}
	process, err := start(command)
	if err != nil {
		ours.close()
		return nil, cannotStart(path, err)
	}
	p := &Python{path: path, reaper: reaper, process: process, control: ours}
	p.know()
	return p, nil
}

func (p *Python) know() {
	if p.reaper != nil {
		p.reaper.know(p.process.pid)
	}
}

// belongTo has the reaper of an arbiter spare it.
func (p *Python) belongTo(reaper *Reaper) {
	if p.reaper == nil {
		p.reaper = reaper
		p.know()
	}
}

// ReadConfiguration has it execute the configuration. The error is a *fault.Error when there is something wrong with the configuration
// or the interpreter; a [ReadingError] around it has the traceback. Whatever the result, the Python is to be closed or handed over.
func (p *Python) ReadConfiguration(ctx context.Context, r *Reading) (Configuration, error) {
	p.read = true
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { p.process.signal(syscall.SIGKILL) })()
	late := time.AfterFunc(bootPatience, func() { cancel(errLate) })
	defer late.Stop()
	go func() { // who died says nothing more, though others may hold its end of the control socket
		p.process.wait()
		p.control.hush()
	}()
	if err := p.control.send(r.order()); err != nil && !errors.Is(err, syscall.EPIPE) {
		return Configuration{}, fault.New(fault.ConfigurationFailed, "%w", err)
	}
	for {
		f, err := p.control.receive()
		var malformed *malformedError
		switch {
		case errors.As(err, &malformed):
			return Configuration{}, fault.New(fault.ConfigurationFailed, "%s said %w", p.path, err)
		case err != nil:
			return Configuration{}, p.died(ctx, r)
		}
		if !p.booted {
			p.booted = true
			late.Reset(r.Limit + readingGrace)
		}
		switch f.Type {
		case "ConfigurationRead":
			return f.Configuration, nil
		case "ConfigurationFailed":
			return Configuration{}, &ReadingError{applicationFailed(f), lines(f.Traceback)}
		}
	}
}

// ReadingError is of a configuration that raised.
type ReadingError struct {
	Err       *fault.Error
	Traceback string // trimmed to the user's own frames, in lines; empty when there is none
}

// Error says where and what.
func (e *ReadingError) Error() string { return e.Err.Error() }

// Unwrap returns the fault.
func (e *ReadingError) Unwrap() error { return e.Err }

// Raised is the traceback, for who tells of a reload.
func (e *ReadingError) Raised() string { return e.Traceback }

// errLate is why an interpreter is ended that takes too long.
var errLate = errors.New("it takes too long")

// died says why there is no answer.
func (p *Python) died(ctx context.Context, r *Reading) error {
	spelled := r.File + r.Module
	p.process.wait()
	status, _ := p.process.reap()
	switch {
	case context.Cause(ctx) == errLate && !p.booted:
		return fault.New(fault.ZygoteDied, "%s did not start within %v", p.path, bootPatience)
	case context.Cause(ctx) == errLate || errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.ConfigurationFailed, "%s was not done after %v", spelled, r.Limit).
			WithHint("a configuration says what to serve; start nothing in it that does not end.")
	case ctx.Err() != nil:
		return ctx.Err()
	case !p.booted:
		return diedLoading(p.path, status, false)
	}
	how := describe(status)
	return fault.New(fault.ConfigurationFailed, "%s ended the process that executed it: %s %v", spelled, how[0], how[1])
}

// Close ends the interpreter, unless an Arbiter has it.
func (p *Python) Close() {
	p.process.signal(syscall.SIGKILL)
	p.process.wait()
	_, _ = p.process.reap()
	if p.reaper != nil {
		p.reaper.forget(p.process.pid)
	}
	p.process.close()
	p.control.close()
}
