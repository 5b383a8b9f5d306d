package speyside

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/interpreter"
	"speyside.dev/speyside/internal/settings"
)

// toLoad is what Python is told to load.
type toLoad struct {
	App         string          `json:"app"`
	Script      bool            `json:"script"`
	Chdir       string          `json:"chdir"`
	PasteGlobal []string        `json:"paste_global"`
	PythonPath  []string        `json:"pythonpath"`
	Env         []string        `json:"env"` // NAME=VALUE
	UWSGI       json.RawMessage `json:"uwsgi,omitempty"`
}

// notLoaded is why it could not.
type notLoaded struct{ Code, Text, Hint, Traceback string }

// Check loads the applications of a configuration, each in an interpreter of its own that ends then, and serves nothing. What they print comes to
// standard output, the traceback of one that cannot be loaded to standard error. The error is a [fault.Error]. A script is compiled and not run.
func Check(c *config.Config) error {
	for _, app := range c.Settings.Apps {
		if err := check(app, c.UWSGI); err != nil {
			return err
		}
	}
	return nil
}

func check(app *settings.App, uwsgi json.RawMessage) error {
	python, err := find(app, interpreter.Program(os.Args[0]))
	if err != nil {
		return err
	}
	order, err := json.Marshal(toLoad{UWSGI: uwsgi, App: app.WSGIApp, Script: isScript(app.WSGIApp), Chdir: app.Chdir, PasteGlobal: append([]string{}, app.PasteGlobal...), PythonPath: append([]string{}, app.PythonPath...), Env: append([]string{}, app.RawEnv...)})
	if err != nil {
		return fmt.Errorf("telling Python what to load: %w", err)
	}
	answers, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer answers.Close()
	line := python.Module("check")
	command := exec.Command(line[0], line[1:]...)
	command.Stdin, command.Stdout, command.Stderr, command.ExtraFiles = bytes.NewReader(order), os.Stdout, os.Stderr, []*os.File{theirs}
	err = command.Start()
	theirs.Close()
	if err != nil {
		return fault.New(fault.PythonNotFound, "starting %s: %w", python.Path, err)
	}
	answer, _ := io.ReadAll(answers)
	ended := command.Wait()
	var why notLoaded
	switch {
	case len(answer) > 0 && json.Unmarshal(answer, &why) == nil:
		return why.fault()
	case ended != nil:
		return fault.New(fault.ImportFailed, "%s ended while it loaded %s: %w", python.Path, app.WSGIApp, ended)
	}
	return nil
}

// fault prints the traceback, and returns the rest as an error.
func (n *notLoaded) fault() error {
	fmt.Fprint(os.Stderr, n.Traceback)
	entry := fault.ByCode(n.Code)
	if entry == nil || entry.Exit == 0 {
		entry = fault.ImportFailed
	}
	err := fault.New(entry, "%s", n.Text)
	if n.Hint != "" {
		err = err.WithHint("%s", n.Hint)
	}
	return err
}

// find looks for the interpreter of an application.
func find(app *settings.App, program string) (interpreter.Interpreter, error) {
	return interpreter.Find(interpreter.Wanted{Python: app.Python, Venv: app.Venv, Dir: app.Chdir, Program: program, Version: settings.Version,
		Env: os.Getenv})
}

// isScript reports whether app is a file to run, rather than a name to import.
func isScript(app string) bool { return strings.HasSuffix(app, ".py") && !strings.Contains(app, ":") }
