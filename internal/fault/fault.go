// Package fault is the table of everything that can go wrong and be told: a stable code (SPY0012), whose fault it is, what
// happened and what to do next. Most callers need New, which makes an error of an entry, and the entries of table.go.
//
// The package does no I/O and imports nothing of Speyside, so that everything may import it. Who prints an error, and
// how, is for cmd/speyside; docs/errors.md, ext/faults.h and python/speyside/_faults.py are generated from the table.
package fault

import (
	"errors"
	"fmt"
	"slices"
)

// Whose says who can put a fault right.
type Whose string

// The four who can be at fault.
const (
	Client      Whose = "client"      // it sent something that is no request, or too much of it
	Application Whose = "application" // it does not load, or broke a rule of PEP 3333
	Operator    Whose = "operator"    // a setting, the machine or the installation
	Speyside    Whose = "Speyside"    // a bug, or something the server does not do
)

// The exit codes of the program. 3 and 4 are gunicorn's.
const (
	ExitStopped       = 0 // it was told to stop, and did
	ExitConfiguration = 1 // a setting, a port or the installation
	ExitUsage         = 2 // the command line
	ExitImport        = 3 // the application failed to import
	ExitCallable      = 4 // the application has no such callable
)

// Exit is one line of the exit code table.
type Exit struct {
	Code int
	Text string
}

// Exits returns the exit code table.
func Exits() []Exit {
	return []Exit{
		{ExitStopped, "stopped, as it was told to"},
		{ExitConfiguration, "configuration: a setting, an address, the Python installation or the machine"},
		{ExitUsage, "usage: an unknown flag, no application named"},
		{ExitImport, "the application failed to import"},
		{ExitCallable, "the application was imported, and has no such callable"},
	}
}

// Fault is one entry of the table. Entries never change while the program runs.
type Fault struct {
	Code  string // SPY and four digits; never given to anything else, even when the entry goes
	Name  string // the Go name; in C and Python the same in capitals with underscores
	Whose Whose
	Text  string // what happened, one lower-case clause
	Hint  string // what to do next, one sentence; may be empty when there is nothing to do
	// Exit is the exit code when this fault ends the program, else 0.
	Exit int
	// Status is the HTTP status when this fault answers a request, else 0.
	Status int
	// Warning says that it ends nothing and answers nothing: the log tells it.
	Warning bool
	// About is the longer explanation for docs/errors.md.
	About string
}

// Error is one occurrence of a fault.
type Error struct {
	Fault  *Fault
	Detail string // what happened this time, the whole sentence; empty for the fault's own text
	Hint   string // what to do this time; empty for the fault's own hint
	Err    error  // the cause, for errors.Is and errors.As
}

// New returns an occurrence of f. The format may wrap a cause with %w; an empty one means the fault's own text.
func New(f *Fault, format string, args ...any) *Error {
	if format == "" {
		return &Error{Fault: f}
	}
	err := fmt.Errorf(format, args...)
	return &Error{Fault: f, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns e with a hint that fits this occurrence better than the fault's own.
func (e *Error) WithHint(format string, args ...any) *Error {
	with := *e
	with.Hint = fmt.Sprintf(format, args...)
	return &with
}

// Error returns what happened, without the code and the hint.
func (e *Error) Error() string {
	if e.Detail != "" {
		return e.Detail
	}
	return e.Fault.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an occurrence of the same fault.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Fault == e.Fault
}

// Each returns the errors that err joins, or err alone.
func Each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var each []error
	for _, err := range joined.Unwrap() {
		each = append(each, Each(err)...)
	}
	return each
}

// Of returns the fault that err is an occurrence of, or nil.
func Of(err error) *Fault {
	var e *Error
	if errors.As(err, &e) {
		return e.Fault
	}
	return nil
}

// Hint returns what to do about err, or "" when nobody knows.
func Hint(err error) string {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return ""
	case e.Hint != "":
		return e.Hint
	}
	return e.Fault.Hint
}

// ExitCode returns the exit code that err ends the program with: an error without a fault counts as configuration.
func ExitCode(err error) int {
	if err == nil {
		return ExitStopped
	}
	if f := Of(err); f != nil && f.Exit != 0 {
		return f.Exit
	}
	return ExitConfiguration
}

// All returns the table, sorted by code.
func All() []*Fault {
	all := slices.Clone(table)
	slices.SortFunc(all, func(a, b *Fault) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return all
}

// ByCode returns the entry with this code, or nil: a code that came from a worker may be anything.
func ByCode(code string) *Fault {
	for _, f := range table {
		if f.Code == code {
			return f
		}
	}
	return nil
}
