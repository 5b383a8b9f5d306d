package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Execution is a configuration of gunicorn's that is to be executed: a file, or a module.
type Execution struct {
	Dir    string   // where it is executed: where the program was started
	File   string   // its absolute path
	Module string   // or what to import
	Name   string   // as it is called in messages
	Found  bool     // nobody named it
	Names  []string // the settings that count in it
	// Settings are those without it: they say which interpreter there is.
	Settings *settings.Settings
}

// Executed is what it says.
type Executed struct {
	Values []gunicorn.Value
	Near   []Note
	// Process has executed it, and has what it has defined. It is the caller's who began it.
	Process io.Closer
}

// At is the source of what stands in a line; 0 is a line that is not known.
func (e *Execution) At(line int) settings.Source {
	if line == 0 {
		return settings.Source(e.Name)
	}
	return settings.Source(fmt.Sprintf("%s:%d", e.Name, line))
}

// written is what stands on the command line, and in GUNICORN_CMD_ARGS.
type written struct {
	line     settings.Line
	values   []gunicorn.Value // on the command line, for gunicorn
	fromEnv  []gunicorn.Value // GUNICORN_CMD_ARGS
	gunicorn bool             // the command line is gunicorn's
	dropped  []string         // of its arguments
}

// arguments reads them.
func (o *Options) arguments() (*written, error) {
	fromEnv, err := gunicorn.FromEnv(o.Env)
	if err != nil {
		return nil, err
	}
	if o.Gunicorn {
		return o.gunicornArguments(fromEnv)
	}
	line, err := settings.ParseFlags(o.Args, gunicorn.Flags()...)
	if err != nil {
		return nil, err
	}
	foreign, err := gunicorn.Parse(line.Foreign, "")
	if err != nil {
		return nil, err
	}
	return &written{line: *line, values: foreign.Values, fromEnv: fromEnv}, nil
}

func (o *Options) gunicornArguments(fromEnv []gunicorn.Value) (*written, error) {
	args, err := gunicorn.Parse(o.Args, "")
	switch {
	case err != nil:
		return nil, err
	case args.Help:
		return nil, settings.ErrHelp
	case args.Version:
		return nil, settings.ErrVersion
	}
	w := &written{line: settings.Line{Given: settings.Layer{}}, values: args.Values, fromEnv: fromEnv, gunicorn: true}
	if len(args.Apps) > 0 {
		w.dropped = args.Apps[1:]
		w.line.Given["wsgi_app"] = settings.Given{Texts: args.Apps[:1], Source: "the command line"}
	}
	if named := named(args.Values); named != "" {
		w.line.Given["config"] = settings.Given{Texts: []string{named}, Source: "--config"}
	}
	return w, nil
}

// named is the configuration that is named among values.
func named(values []gunicorn.Value) string {
	var name string
	for _, v := range values {
		if v.Name == "config" {
			_ = json.Unmarshal(v.JSON, &name) // a flag's value is a text
		}
	}
	return strings.TrimSpace(name)
}

// inUse reports whether anything was written for gunicorn, on the command line or in the environment.
func (w *written) inUse() bool { return w.gunicorn || len(w.values)+len(w.fromEnv) > 0 }

// execute has the file executed.
func (c *Config) execute(ctx context.Context, o *Options, w *written, f *file) ([]gunicorn.Value, error) {
	flags, files := w.directories(o.Env)
	maps.Copy(flags, w.line.Given)
	without, err := settings.Resolve(settings.Sources{Flags: flags, Env: o.Env, Dir: o.Dir, Files: []settings.Layer{files},
		Defaults: settings.Layer{"wsgi_app": {Texts: []string{f.name}, Source: settings.SourceDefault}}}) // it is named in the file, perhaps
	if err != nil {
		return nil, err
	}
	if o.Execute == nil {
		return nil, fault.New(fault.ConfigurationUnreadable, "%s is written in Python, and nothing executes it here", f.name)
	}
	execution := &Execution{Dir: o.Dir, File: f.path, Module: f.module, Name: f.name, Found: f.found, Names: gunicorn.Names(), Settings: without}
	c.Execution = execution
	if c.Executed, err = o.Execute(ctx, execution); err != nil {
		return nil, err
	}
	c.Notes = append(c.Notes, c.Executed.Near...)
	return c.Executed.Values, nil
}

// directories are chdir where gunicorn's flags say it, on the command line and in the environment: there is the project, and perhaps its virtual
// environment. What is wrong with the others is told later.
func (w *written) directories(env func(string) string) (flags, fromEnv settings.Layer) {
	flags, fromEnv = settings.Layer{}, settings.Layer{}
	mapped, _ := gunicorn.Map(env, w.values, w.fromEnv)
	for i, layer := range []settings.Layer{flags, fromEnv} {
		if dir, given := mapped.Layers[i]["chdir"]; given {
			layer["chdir"] = dir
		}
	}
	return flags, fromEnv
}

// mapGunicorn adds what was written for gunicorn to the sources. A file of gunicorn's brings its defaults.
func (c *Config) mapGunicorn(o *Options, w *written, sources *settings.Sources, values []gunicorn.Value) (*gunicorn.Mapping, error) {
	mapping, err := gunicorn.Map(o.Env, append(w.counted(), w.values...), w.fromEnv, values)
	flags := maps.Clone(mapping.Layers[0])
	maps.Copy(flags, sources.Flags) // ours says the same, or more than gunicorn's form allows
	sources.Flags = flags
	sources.Files = append([]settings.Layer{mapping.Layers[1], mapping.Layers[2]}, sources.Files...)
	if c.Executed != nil || w.gunicorn {
		sources.Defaults = mapping.Defaults
	}
	if len(w.dropped) > 0 {
		c.Notes = append(c.Notes, Note{Text: "arguments ignored", Fields: []any{"arguments", strings.Join(w.dropped, " "), "why", "one application is served, as by gunicorn"}})
	}
	c.Check = c.Check || mapping.CheckConfig
	c.Print = c.Print || mapping.PrintConfig
	return mapping, err
}

// counted are flags of ours that decide together with gunicorn's: `--threads 4 -k gevent`.
func (w *written) counted() []gunicorn.Value {
	var values []gunicorn.Value
	for _, name := range []string{"workers", "threads", "timeout"} {
		given, ok := w.line.Given[name]
		if !ok || w.gunicorn {
			continue
		}
		text := given.Texts[len(given.Texts)-1]
		if strings.Trim(text, "0123456789") == "" && text != "" {
			values = append(values, gunicorn.Value{Name: name, JSON: json.RawMessage(`"` + text + `"`), Repr: text, Source: given.Source})
		}
	}
	if given, ok := w.line.Given["daemon"]; ok && given.Texts[len(given.Texts)-1] == "on" {
		values = append(values, gunicorn.Value{Name: "daemon", JSON: json.RawMessage("true"), Source: given.Source})
	}
	return values
}

// noteGunicorn notes what has become of gunicorn's settings, and tells Python all of them where it is to be like gunicorn.
func (c *Config) noteGunicorn(mapping *gunicorn.Mapping, like bool) error {
	for _, n := range mapping.Notes {
		if n.Ours == "" || c.Settings.Source(n.Ours) == n.Source {
			c.Notes = append(c.Notes, Note{Text: n.Event, Fields: []any{"setting", n.Setting, "from", string(n.Source), "why", n.Why}})
		}
	}
	if c.LogsRequests = mapping.LogsRequests; c.Executed == nil && !like && !c.LogsRequests {
		return nil // flags of gunicorn's among ours
	}
	s, app := c.Settings, c.Settings.Apps[0]
	maps.Copy(mapping.Values, map[string]any{
		"wsgi_app": app.WSGIApp, "default_proc_name": app.WSGIApp, "chdir": app.Chdir, "workers": app.Workers, "threads": app.Threads,
		"timeout": whole(app.Timeout), "graceful_timeout": whole(s.GracefulTimeout), "keepalive": whole(s.KeepAlive), "max_requests": app.MaxRequests,
		"max_requests_jitter": app.MaxRequestsJitter, "raw_paste_global_conf": append([]string{}, app.PasteGlobal...), "preload_app": app.Preload == "on", "umask": s.Umask,
	})
	var bind []string
	for _, address := range s.Bind {
		bind = append(bind, address.String())
	}
	mapping.Values["bind"] = bind
	var err error
	if c.Gunicorn, err = json.Marshal(mapping.Values); err != nil {
		return fmt.Errorf("telling Python of gunicorn's settings: %w", err)
	}
	return nil
}

// whole is a time in seconds as gunicorn has it; less than one is one, since 0 is none.
func whole(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// inPython says what a configuration that was named is executed as: a file, or with python: in front a module; nil when it is no
// Python. gunicorn takes every file for Python, whatever its name.
func (o *Options) inPython(name string, w *written) (*file, error) {
	if module, ok := strings.CutPrefix(name, "python:"); ok {
		return &file{module: module, name: name}, nil
	}
	path := strings.TrimPrefix(name, "file:")
	switch extension := filepath.Ext(path); {
	case extension == ".py" || extension == ".pyc":
	case w.gunicorn && extension != ".toml":
	default:
		return nil, nil
	}
	f, err := open(o.Dir, path)
	if err != nil {
		return nil, err
	}
	f.python = true
	return f, nil
}

// Close ends what has executed the configuration, if it was executed.
func (c *Config) Close() error {
	if c == nil || c.Executed == nil {
		return nil
	}
	return c.Executed.Process.Close()
}

// failed closes what has been begun, and returns the errors.
func (c *Config) failed(errs ...error) (*Config, error) {
	return nil, errors.Join(append(errs, c.Close())...)
}
