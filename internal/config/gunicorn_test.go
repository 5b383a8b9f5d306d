package config

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/fault"
)

// interpreter stands for Python: it says what it is told to say.
type interpreter struct {
	executed *Execution
	says     map[string]string // by name, as JSON
	err      error
	closed   bool
}

func (i *interpreter) Close() error {
	i.closed = true
	return nil
}

func (i *interpreter) execute(_ context.Context, e *Execution) (*Executed, error) {
	i.executed = e
	if i.err != nil {
		return nil, i.err
	}
	x := &Executed{Process: i}
	for _, name := range e.Names {
		if says, ok := i.says[name]; ok {
			x.Values = append(x.Values, gunicorn.Value{Name: name, JSON: json.RawMessage(says), Repr: says, Source: e.At(3)})
		}
	}
	return x, nil
}

// written makes the options of a directory with these files.
func optionsIn(t *testing.T, i *interpreter, line string, env map[string]string, files ...string) Options {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		text := ""
		if strings.HasSuffix(name, ".toml") {
			text = "[app]\nthreads = 5\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Args: strings.Fields(line), Env: func(name string) string { return env[name] }, Dir: dir, Execute: i.execute}
}

func TestConfigurationInPythonIsChosen(t *testing.T) {
	for _, c := range []struct {
		line, cmdArgs string
		gunicorn      bool
		files         []string
		want          string // name, file and module
		found         bool
	}{
		{line: "a:b", files: []string{"gunicorn.conf.py"}, want: "gunicorn.conf.py gunicorn.conf.py ", found: true},
		{line: "a:b", files: []string{"gunicorn.conf.py", "speyside.toml"}},
		{line: "a:b", gunicorn: true, files: []string{"gunicorn.conf.py", "speyside.toml"}, want: "gunicorn.conf.py gunicorn.conf.py ", found: true},
		{line: "a:b --config off", files: []string{"gunicorn.conf.py"}},
		{line: "a:b -c x.py", files: []string{"gunicorn.conf.py", "x.py"}, want: "x.py x.py "},
		{line: "a:b -c file:x.py", files: []string{"x.py"}, want: "x.py x.py "},
		{line: "a:b -c python:conf.live", want: "python:conf.live  conf.live"},
		{line: "a:b", cmdArgs: "-c x.py", files: []string{"gunicorn.conf.py", "x.py"}, want: "x.py x.py "},
		{line: "a:b -c y.py", cmdArgs: "-c x.py", files: []string{"y.py", "x.py"}, want: "y.py y.py "},
		{line: "a:b -c settings", gunicorn: true, files: []string{"settings"}, want: "settings settings "},
	} {
		i := &interpreter{}
		o := optionsIn(t, i, c.line, map[string]string{"GUNICORN_CMD_ARGS": c.cmdArgs}, c.files...)
		o.Gunicorn = c.gunicorn
		read, err := Read(context.Background(), o)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		got := ""
		if e := i.executed; e != nil {
			got = e.Name + " " + strings.TrimPrefix(e.File, o.Dir+"/") + " " + e.Module
		}
		if got != c.want || c.want != "" && i.executed.Found != c.found {
			t.Errorf("%+v: executed %q", c, got)
		}
		if like := c.want != "" || c.gunicorn; (read.Gunicorn != nil) != like {
			t.Errorf("%+v: Python is told %s", c, read.Gunicorn)
		}
	}
}

func TestDirectoryOfGunicornsFlagsSaysWhichPythonExecutesTheFile(t *testing.T) {
	for _, c := range []struct {
		args, cmdArgs, variable string
	}{
		{args: "a:b --chdir shop", cmdArgs: "--chdir /"},
		{args: "a:b", cmdArgs: "--chdir shop"},
		{args: "a:b", cmdArgs: "--chdir /", variable: "shop"},
	} {
		i := &interpreter{}
		o := optionsIn(t, i, c.args, nil, "gunicorn.conf.py")
		shop := filepath.Join(o.Dir, "shop")
		if err := os.Mkdir(shop, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(o.Dir)
		env := map[string]string{"GUNICORN_CMD_ARGS": c.cmdArgs}
		if c.variable != "" {
			env["SPEYSIDE_CHDIR"] = shop
		}
		o.Gunicorn, o.Env = true, func(name string) string { return env[name] }
		if _, err := Read(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if got := i.executed.Settings.Apps[0].Chdir; got != shop {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestGunicornsVariableBesideAFileForUWSGIIsNotPassedOverInSilence(t *testing.T) {
	r := in(t, "uwsgi.ini", "[uwsgi]\nmodule = shop\nhttp-socket = :8000\n")
	r.environ = []string{"GUNICORN_CMD_ARGS=--workers 7"}
	for _, note := range r.must("--ini", "uwsgi.ini").Notes {
		if note.Warn && slices.Contains(note.Fields, any("GUNICORN_CMD_ARGS")) {
			return
		}
	}
	t.Error("nothing is noted")
}

func TestWhatTheFileSaysIsInEffect(t *testing.T) {
	i := &interpreter{says: map[string]string{"workers": "3", "timeout": "90", "worker_class": `"gthread"`, "threads": "2", "wsgi_app": `"a:b"`, "worker_tmp_dir": `"/x"`}}
	o := optionsIn(t, i, "--threads 7", map[string]string{"SPEYSIDE_TIMEOUT": "0", "WEB_CONCURRENCY": "9", "GUNICORN_CMD_ARGS": "--keep-alive 4"}, "gunicorn.conf.py")
	c, err := Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	app := c.Settings.Apps[0]
	if app.WSGIApp != "a:b" || app.Workers != 3 || app.Threads != 7 || app.Timeout != 0 || app.Preload != "off" || c.Settings.KeepAlive != 4*time.Second {
		t.Errorf("%+v", app)
	}
	if source := c.Settings.Source("workers"); source != "gunicorn.conf.py:3" {
		t.Errorf("workers come from %s", source)
	}
	var noted []string
	for _, n := range c.Notes {
		noted = append(noted, n.Text+" "+n.Fields[1].(string))
	}
	if got := strings.Join(noted, ", "); got != "setting ignored worker_tmp_dir" { // nothing of a timeout, which is off
		t.Errorf("noted: %s", got)
	}
	var told map[string]any
	if err := json.Unmarshal(c.Gunicorn, &told); err != nil || told["workers"] != 3.0 || told["threads"] != 7.0 || told["timeout"] != 0.0 || told["chdir"] != o.Dir {
		t.Errorf("Python is told %s: %v", c.Gunicorn, err)
	}
	if i.closed {
		t.Error("what executed it was ended")
	}
	if c.Close(); !i.closed {
		t.Error("what executed it was not ended")
	}
}

func TestWhatHasExecutedARefusedFileIsEnded(t *testing.T) {
	for name, says := range map[string]string{"certfile": `"/c"`, "workers": `"many"`, "bind": `"a:b:c"`} {
		i := &interpreter{says: map[string]string{name: says}}
		if c, err := Read(context.Background(), optionsIn(t, i, "a:b", nil, "gunicorn.conf.py")); c != nil || err == nil || !i.closed {
			t.Errorf("%s: %v, %v, closed: %v", name, c, err, i.closed)
		}
	}
	i := &interpreter{err: fault.New(fault.ConfigurationFailed, "x")}
	if _, err := Read(context.Background(), optionsIn(t, i, "a:b", nil, "gunicorn.conf.py")); !errors.Is(err, i.err) {
		t.Error(err)
	}
}

func TestFlagOfOursCountsForOneOfGunicorns(t *testing.T) {
	for line, refused := range map[string]bool{"a:b -R": false, "a:b -D -R": true, "a:b -R --daemon off": false} {
		if _, err := Read(t.Context(), optionsIn(t, &interpreter{}, line, nil)); (fault.Of(err) == fault.GunicornRefused) != refused {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestArgumentsThatGunicornDropsAreNamed(t *testing.T) {
	o := optionsIn(t, &interpreter{}, "a:b c d", nil)
	o.Gunicorn = true
	c, err := Read(t.Context(), o)
	if err != nil || c.Settings.Apps[0].WSGIApp != "a:b" || len(c.Notes) != 1 || c.Notes[0].Fields[1] != "c d" {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestFlagsOfGunicornAmongOursChangeNoDefault(t *testing.T) {
	i := &interpreter{}
	c, err := Read(context.Background(), optionsIn(t, i, "a:b --threads 3 -k gevent --workers 2", map[string]string{"GUNICORN_CMD_ARGS": "--timeout 5"}, "speyside.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if app := c.Settings.Apps[0]; app.Threads != 3 || app.Workers != 2 || app.Preload != "auto" || app.Timeout != 5*time.Second || c.Gunicorn != nil {
		t.Errorf("%+v", app)
	}
}
