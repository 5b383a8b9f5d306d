// Package config reads what the operator has written: the command line, the environment and the files, and makes settings of them.
// Most callers need Read.
//
// It decides which file counts and says which were passed over. It executes nothing itself: a configuration that is written in Python is executed by
// the Interpreter that the caller provides. What a setting means is for internal/settings.
package config

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"speyside.dev/speyside/internal/config/discover"
	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/config/pasteini"
	"speyside.dev/speyside/internal/config/uwsgi"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// mostBytes is the largest file that is read.
const mostBytes = 1 << 20

// The names that are looked for, in order; the first there is counts.
const (
	ownFile      = "speyside.toml"
	projectFile  = "pyproject.toml"
	gunicornFile = "gunicorn.conf.py"
)

// Options is what a configuration is read from.
type Options struct {
	Args    []string                 // the command line, without the program's name
	Env     func(name string) string // the environment
	Environ []string                 // the same, NAME=VALUE, to find what is no setting's
	Dir     string                   // where the program was started; relative paths of files start there

	Unnamed  bool // a file that names no application is no error
	Twist    bool // Args are those of Twisted's twist
	Gunicorn bool // Args are those of gunicorn
	// Execute executes a configuration that is written in Python. The context ends when its result is wanted no more.
	Execute func(context.Context, *Execution) (*Executed, error)
}

// Note is something that the operator should know and that ends nothing. Its words are a log line's.
type Note struct {
	Text   string
	Fields []any // names and values, alternating
	Warn   bool
}

// Config is a configuration that has been read.
type Config struct {
	Settings *settings.Settings
	File     string          // that counts, as it is called in messages; empty: none
	Found    *discover.Found // the application, when nobody has named it
	Notes    []Note
	Kept     []string // what a uwsgi.ini has that no setting can say: file, line and option
	Check    bool     // nothing is to be served: the configuration was to be checked
	Print    bool     // nothing is to be served: the configuration is to be shown

	Execution *Execution      // of the file, where it is written in Python
	Executed  *Executed       // what came of it
	UWSGI     json.RawMessage // what the workers are told of the uwsgi.ini that is in use; nil where there is none
	// LogsRequests reports that Python writes the lines for requests, through its loggers, and the front none.
	LogsRequests bool
	Gunicorn     json.RawMessage // gunicorn's settings by name, in effect, where the application is to find what it finds there
}

// Read reads the configuration. The error has everything that is wrong with it: see [fault.Each].
func Read(ctx context.Context, o Options) (*Config, error) {
	if o.Twist {
		return readTwist(o)
	}
	w, err := o.arguments()
	if err != nil {
		return nil, err
	}
	c := &Config{Check: w.line.Check, Print: w.line.Print}
	file, err := c.choose(&o, w)
	if err != nil {
		return nil, err
	}
	if file != nil && file.uwsgi {
		return c, c.readUWSGI(&o, w, file)
	}
	sources := settings.Sources{Flags: w.line.Given, Env: o.Env, Dir: o.Dir}
	var values []gunicorn.Value
	var wrong error
	switch {
	case file == nil:
	case file.isPython():
		c.File = file.name
		if values, err = c.execute(ctx, &o, w, file); err != nil {
			return nil, err
		}
	default:
		c.File = file.name
		sources.Files, wrong = file.read()
	}
	c.warnOfVariables(o.Environ)
	var mapping *gunicorn.Mapping
	var unmapped error
	if w.inUse() || c.Executed != nil {
		mapping, unmapped = c.mapGunicorn(&o, w, &sources, values)
	}
	o.Unnamed = o.Unnamed || wrong != nil || unmapped != nil // what names the application may be what is wrong
	if err := c.complete(o, &sources); err != nil {
		return c.failed(wrong, unmapped, err)
	}
	if c.Settings, err = settings.Resolve(sources); err != nil || unmapped != nil || wrong != nil {
		return c.failed(wrong, unmapped, err)
	}
	if mapping == nil {
		return c, nil
	}
	return c, c.noteGunicorn(mapping, w.gunicorn)
}

// file is one that has been chosen.
type file struct {
	path string // absolute
	name string // as it is called in messages: as it was written, or found
	text []byte

	module string // it is no file: what to import
	python bool   // it is executed
	found  bool   // nobody named it
	uwsgi  bool   // it is uWSGI's, and the name may end with its section; it is read later
	form   uwsgi.Form
}

// isPython reports whether it is executed.
func (f *file) isPython() bool { return f.python || f.module != "" }

// choose returns the file that counts: the one that was named, else the first that is there; nil when there is none.
func (c *Config) choose(o *Options, w *written) (*file, error) {
	if f, err := o.forUWSGI(w); f != nil || err != nil {
		return f, err
	}
	name := strings.TrimSpace(o.Env("SPEYSIDE_CONFIG"))
	if given, ok := w.line.Given["config"]; ok {
		name = given.Texts[len(given.Texts)-1]
	}
	if name == "" {
		name = named(w.fromEnv)
	}
	switch name {
	case settings.ConfigOff, os.DevNull: // as people tell gunicorn not to read one
		return nil, nil
	case "":
		return c.find(o)
	}
	if isUWSGI(o.Dir, name) {
		path, _, _ := strings.Cut(name, ":")
		return &file{name: name, uwsgi: true, form: uwsgi.FormOf(path)}, nil
	}
	f, err := o.inPython(name, w)
	if f == nil && err == nil {
		f, err = open(o.Dir, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.ConfigurationUnreadable, "there is no file %s", name).WithHint("the directory is %s.", o.Dir)
	}
	return f, err
}

// find looks for the files by their names.
func (c *Config) find(o *Options) (*file, error) {
	var chosen *file
	names := []string{ownFile, projectFile, gunicornFile}
	if o.Gunicorn {
		names = []string{gunicornFile}
	}
	for _, name := range names {
		f, err := open(o.Dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case name == projectFile && !mayHaveTable(f.text, "tool", "speyside"):
		case chosen == nil:
			f.found, f.python = true, name == gunicornFile
			chosen = f
		default:
			c.Notes = append(c.Notes, Note{Text: "configuration passed over", Fields: []any{"file", name, "for", chosen.name}})
		}
	}
	return chosen, nil
}

// open reads a file whole. An error that is no fs.ErrNotExist is an occurrence of fault.ConfigurationUnreadable.
func open(dir, name string) (*file, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, name)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, fault.New(fault.ConfigurationUnreadable, "reading %s: %w", name, err)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.ConfigurationUnreadable, "%s is not a file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.ConfigurationUnreadable, "reading %s: %w", name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	switch {
	case err != nil:
		return nil, fault.New(fault.ConfigurationUnreadable, "reading %s: %w", name, err)
	case len(text) > mostBytes:
		return nil, fault.New(fault.ConfigurationUnreadable, "%s has more than %d bytes", name, mostBytes)
	}
	return &file{path: path, name: name, text: text}, nil
}

// read returns what the file says, what counts first first.
func (f *file) read() ([]settings.Layer, error) {
	switch {
	case filepath.Base(f.path) == projectFile:
		return readTOML(f.path, f.name, f.text, "tool", "speyside")
	case filepath.Ext(f.path) == ".toml":
		return readTOML(f.path, f.name, f.text)
	}
	if filepath.Ext(f.path) == ".ini" && pasteini.LooksLike(string(f.text)) {
		return []settings.Layer{{"paste": settings.Given{Texts: []string{f.path}, Source: settings.Source(f.name)}}}, nil
	}
	return nil, fault.New(fault.ConfigurationUnreadable, "%s is of no kind that is known", f.name).
		WithHint("a configuration is a .toml file, a .py file for gunicorn, an .ini file: for uWSGI with [uwsgi], for PasteDeploy with [app:main]; or a .yaml or .json file for uWSGI.")
}

// own are the variables that the server itself sets for its processes.
var own = map[string]bool{"SPEYSIDE_PORTS": true, "SPEYSIDE_GENERATION": true, "SPEYSIDE_ORDER": true, "SPEYSIDE_UPGRADE": true}

// warnOfVariables notes the variables that look nearly like a setting's and are none. They end nothing: whoever runs a service named
// speyside in Kubernetes has SPEYSIDE_PORT and SPEYSIDE_SERVICE_HOST without having written them.
func (c *Config) warnOfVariables(environ []string) {
	known := map[string]bool{}
	var names []string
	for _, s := range settings.Table() {
		known[s.EnvName()] = true
		names = append(names, strings.TrimPrefix(s.EnvName(), "SPEYSIDE_"))
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "SPEYSIDE_") || known[name] || own[name] || strings.HasPrefix(name, "SPEYSIDE_SERVICE_") ||
			strings.HasPrefix(name, "SPEYSIDE_PORT") {
			continue
		}
		near := settings.Nearest(strings.TrimPrefix(name, "SPEYSIDE_"), names)
		if near == "" {
			continue // it may be the application's
		}
		note := Note{Text: "environment variable is no setting's", Fields: []any{"variable", name, "nearest", "SPEYSIDE_" + near}, Warn: true}
		c.Notes = append(c.Notes, note)
	}
}
