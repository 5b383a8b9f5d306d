package speyside

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/interpreter"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
)

// executionLimit is how long a configuration may take: it may ask a service for what it says, but the server waits for it.
const executionLimit = 30 * time.Second

// executor is the Python that has executed a configuration. It goes on as the zygote of a generation, with the hooks that it has defined.
type executor struct {
	python  *arbiter.Python
	started []string // what it was started with
	reading *arbiter.Reading
	why     string // why this interpreter
}

// Close ends it.
func (e *executor) Close() error {
	e.python.Close()
	return nil
}

// Execute has a configuration that is written in Python executed, for [config.Options]. The log says so before.
func Execute(ctx context.Context, e *config.Execution) (*config.Executed, error) {
	found, err := find(e.Settings.Apps[0], interpreter.Program(os.Args[0]))
	if err != nil {
		return nil, err
	}
	handler := observe.NewHandler(os.Stderr, e.Settings.LogLevel)
	if e.Settings.LogFormat == settings.LogJSON {
		handler = observe.NewJSONHandler(os.Stderr, e.Settings.LogLevel)
	}
	log := slog.New(handler)
	by := &executor{started: found.Module("boot"), why: found.Why,
		reading: &arbiter.Reading{Dir: e.Dir, File: e.File, Module: e.Module, Names: e.Names, Limit: executionLimit}}
	why := "it was named"
	if e.Found {
		why = "it is in the directory; --config off leaves it alone"
	}
	log.Info("configuration is executed", "file", e.Name, "why", why, "python", found.Path)
	if by.python, err = arbiter.StartPython(by.started, nil); err != nil {
		return nil, err
	}
	read, err := by.python.ReadConfiguration(ctx, by.reading)
	if err != nil {
		by.python.Close()
		var raised *arbiter.ReadingError
		if errors.As(err, &raised) {
			fmt.Fprint(os.Stderr, raised.Traceback)
		}
		return nil, err
	}
	return by.told(e, &read), nil
}

// told is what it said, in the words of the configuration.
func (e *executor) told(of *config.Execution, read *arbiter.Configuration) *config.Executed {
	executed := &config.Executed{Process: e}
	for _, v := range read.Values {
		executed.Values = append(executed.Values, gunicorn.Value{Name: v.Name, JSON: v.Value, Repr: v.Repr, Type: v.Type, Source: of.At(v.Line)})
	}
	for _, h := range read.Hooks {
		executed.Values = append(executed.Values, gunicorn.Value{Name: h.Name, Repr: "a function", Type: "function", Source: of.At(h.Line)})
	}
	for _, n := range read.Near {
		executed.Near = append(executed.Near, config.Note{Text: "name is no setting of gunicorn", Warn: true,
			Fields: []any{"name", n.Name, "from", string(of.At(n.Line)), "nearest", n.Nearest}})
	}
	return executed
}

// pythonFor is the interpreter of a generation: the one that has executed its configuration, or one that is still to be started.
func (r *Server) pythonFor(c *config.Config) (*executor, error) {
	if c.Executed != nil {
		if by, ok := c.Executed.Process.(*executor); ok {
			return by, nil
		}
	}
	found, err := r.python(c.Settings.Apps[0])
	if err != nil {
		return nil, err
	}
	return &executor{started: found.Module("boot"), why: found.Why}, nil
}
