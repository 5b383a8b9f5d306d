package arbiter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// names stand for those of all settings.
var names = []string{"bind", "workers", "timeout", "raw_env", "logconfig_dict", "logger_class", "loglevel", "post_fork", "post_request", "when_ready"}

// startReal starts a real Python in a directory with these files, and returns it and the directory.
func startReal(t *testing.T, files map[string]string) (*Python, string) {
	t.Helper()
	return startRealAs(t, "python3", files)
}

func startRealAs(t *testing.T, python string, files map[string]string) (*Python, string) {
	t.Helper()
	source, err := filepath.Abs("../../python")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("PYTHONPATH", source)
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	p, err := StartPython([]string{python, "-P", "-m", "speyside.boot"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, dir
}

func readReal(t *testing.T, text string) (Configuration, error) {
	t.Helper()
	p, _ := startReal(t, map[string]string{"gunicorn.conf.py": text})
	return p.ReadConfiguration(t.Context(), &Reading{File: "gunicorn.conf.py", Names: names, Limit: patience})
}

func (c Configuration) value(name string) *Value {
	for i := range c.Values {
		if c.Values[i].Name == name {
			return &c.Values[i]
		}
	}
	return nil
}

const wholeConfiguration = `import os
import sys
import helper
workers = 1
if helper.MANY:
    workers = helper.cores() * 2 + 1  # the last one counts
bind = ("127.0.0.1:80", "unix:/run/app.sock")
timeout = float("inf")
raw_env = {"A=1"}
loglevel = str.upper("info")
class logger_class: pass
logconfig_dict = {"version": 1, "filters": {"f": {"()": object}}}
timeuot = 3
worker_count = workers
Unknown = 1
def when_ready(server): pass
post_fork = "helper.post_fork"
post_request = lambda worker, req: None
os.chdir("/")
print("__name__ is", __name__, file=sys.stderr)
assert sys.modules[__name__].bind is bind and __file__.endswith("/gunicorn.conf.py")
`

func TestConfigurationIsExecutedAndTold(t *testing.T) {
	p, dir := startReal(t, map[string]string{
		"gunicorn.conf.py": wholeConfiguration,
		"helper.py":        "MANY = True\ndef cores(): return 2\ndef post_fork(server, worker): pass\n",
	})
	c, err := p.ReadConfiguration(t.Context(), &Reading{File: "gunicorn.conf.py", Names: names, Limit: patience})
	if err != nil {
		t.Fatal(err)
	}
	if c.File != filepath.Join(dir, "gunicorn.conf.py") {
		t.Errorf("file %q", c.File)
	}
	for name, want := range map[string]struct {
		value, kind string
		line        int
	}{
		"workers": {"5", "int", 6}, "bind": {`["127.0.0.1:80", "unix:/run/app.sock"]`, "tuple", 7}, "raw_env": {`["A=1"]`, "set", 9},
		"loglevel": {`"INFO"`, "str", 10}, "timeout": {"", "float", 8}, "logger_class": {"", "type", 11}, "logconfig_dict": {"", "dict", 12},
	} {
		v := c.value(name)
		if v == nil || string(v.Value) != want.value || v.Type != want.kind || v.Line != want.line {
			t.Errorf("%s is %+v, want %+v", name, v, want)
		}
	}
	if v := c.value("timeout"); v != nil && v.Repr != "inf" {
		t.Errorf("shown as %s", v.Repr)
	}
	if len(c.Values) != 7 {
		t.Errorf("%d values: %+v", len(c.Values), c.Values)
	}
	hooks := map[string]Hook{}
	for _, h := range c.Hooks {
		hooks[h.Name] = h
	}
	if len(hooks) != 3 || hooks["when_ready"] != (Hook{"when_ready", 1, 16}) || hooks["post_fork"] != (Hook{"post_fork", 2, 17}) || hooks["post_request"] != (Hook{"post_request", 2, 18}) {
		t.Errorf("hooks %+v", c.Hooks)
	}
	if len(c.Near) != 0 { // timeout is set, so timeuot is not what was meant
		t.Errorf("near %+v", c.Near)
	}
}

func TestNameThatIsNearlyASettingIsTold(t *testing.T) {
	c, err := readReal(t, "worker = 3\nLOGLEVEL = 'info'\nport = 80\nbnd = f'0:{port}'\n_workers = 2\nimport os as timeouts\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Near) != 3 || c.Near[0] != (Near{"worker", "workers", 1}) || c.Near[1] != (Near{"LOGLEVEL", "loglevel", 2}) || c.Near[2] != (Near{"bnd", "bind", 4}) {
		t.Errorf("near %+v", c.Near)
	}
}

func TestModuleIsReadAsAConfiguration(t *testing.T) {
	p, _ := startReal(t, map[string]string{"conf_of_mine.py": "workers = 2\n"})
	c, err := p.ReadConfiguration(t.Context(), &Reading{Module: "conf_of_mine", Names: names, Limit: patience})
	if err != nil || len(c.Values) != 1 || string(c.Values[0].Value) != "2" || c.Values[0].Line != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestLargeConfigurationFitsAFact(t *testing.T) {
	c, err := readReal(t, "workers = 2\nbind = ['127.0.0.1:8000'] * 100_000\nloglevel = '\\U0001F426' * 7000\nlogconfig_dict = {'a': '\\U0001F426' * 1000}\nraw_env = logconfig_dict\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.value("bind").Value != nil || c.value("loglevel").Value != nil || string(c.value("workers").Value) != "2" || c.value("logconfig_dict").Value == nil {
		t.Errorf("%+v", c)
	}
}

func TestConfigurationThatFailsIsOneErrorWithFileAndLine(t *testing.T) {
	const conf = "gunicorn.conf.py"
	for name, test := range map[string]struct{ text, want, trace string }{
		"raises":         {"import os\n\ndef port():\n    return int('x')\n\nbind = port()\n", conf + ":4: ValueError: invalid literal for int() with base 10: 'x'", "in port"},
		"exits":          {"import sys\nsys.exit(7)\n", conf + ":2: called sys.exit(7)", ""},
		"half":           {"workers = 3\nbind = ['127.0.0.1:80',\n", conf + ":2: SyntaxError: '[' was never closed", "bind = ["},
		"latin-1":        {"loglevel = 'caf\xe9'\n", conf + ":1: SyntaxError: (unicode error) 'utf-8' codec can't decode byte 0xe9", ""},
		"zero":           {"workers = 3\x00\n", "source code string cannot contain null bytes", ""},
		"no module":      {"import gunicorn_of_nobody\n", conf + ":1: ModuleNotFoundError: No module named 'gunicorn_of_nobody'", ""},
		"enormous":       {"workers = 3\n" + strings.Repeat("# more\n", 1<<18), conf + " is larger than 1 MiB", ""},
		"ends":           {"import os\nos._exit(9)\n", conf + " ended the process that executed it: status 9", ""},
		"killed":         {"import os\nos.kill(os.getpid(), 11)\n", conf + " ended the process that executed it: signal SIGSEGV", ""},
		"hook arguments": {"workers = 2\n\ndef post_fork(server):\n    pass\n", conf + ":3: post_fork takes 1 argument, and should take 2", ""},
		"hook":           {"when_ready = 5\n", conf + ":1: when_ready is 5, and not a function", ""},
		"hook name":      {"when_ready = 'os.nothing'\n", conf + ":1: when_ready is 'os.nothing', which is not there", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readReal(t, test.text)
			if fault.Of(err) != fault.ConfigurationFailed || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v, want %s", err, test.want)
			}
			if hint := fault.Hint(err); strings.HasPrefix(name, "hook") != strings.HasPrefix(hint, "docs/migrating-gunicorn.md") {
				t.Errorf("hint %q", hint)
			}
			var told *ReadingError
			if errors.As(err, &told); test.trace != "" && (told == nil || !strings.Contains(told.Traceback, test.trace) || strings.Contains(told.Traceback, "speyside")) {
				t.Errorf("traceback %+v", told)
			}
		})
	}
}

func TestConfigurationThatNeedsGunicornItselfSaysSo(t *testing.T) {
	_, err := readReal(t, "raise ModuleNotFoundError(\"No module named 'gunicorn.glogging'\", name='gunicorn.glogging')\n")
	if hint := fault.Hint(err); !strings.Contains(hint, "imports gunicorn itself") {
		t.Errorf("%v, hint %q", err, hint)
	}
}

func TestConfigurationThatCannotBeOpened(t *testing.T) {
	for file, want := range map[string]string{"nothing.py": "nothing.py: no such file or directory", ".": ".: is a directory"} {
		t.Run(file, func(t *testing.T) {
			p, _ := startReal(t, nil)
			if _, err := p.ReadConfiguration(t.Context(), &Reading{File: file, Limit: patience}); fault.Of(err) != fault.ConfigurationFailed || err.Error() != want {
				t.Error(err)
			}
		})
	}
}

func TestLimitOfAConfigurationIsNotThatOfTheInterpreter(t *testing.T) {
	slow := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nsleep 3.5\nexec python3 \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, _ := startRealAs(t, slow, map[string]string{"conf.py": "workers = 3\n"})
	if c, err := p.ReadConfiguration(t.Context(), &Reading{File: "conf.py", Names: names, Limit: time.Second}); err != nil || c.value("workers") == nil {
		t.Error(c, err)
	}
}

func TestConfigurationThatNeverEndsIsGivenUp(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"sleeps": {"import time\n\ntime.sleep(100)\n", "conf.py:3: was not done after 1 s"},
		"loops":  {"while True:\n    try:\n        while True: pass\n    except Exception: pass\n", "conf.py:3: was not done after 1 s"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := startReal(t, map[string]string{"conf.py": test.text})
			_, err := p.ReadConfiguration(t.Context(), &Reading{File: "conf.py", Limit: time.Second})
			if fault.Of(err) != fault.ConfigurationFailed || err.Error() != test.want {
				t.Error(err)
			}
		})
	}
}

func TestConfigurationThatHoldsTheProcessIsKilled(t *testing.T) {
	p, _ := startReal(t, map[string]string{"conf.py": "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\nos.pipe()\nos.read(os.pipe()[0], 1)\n"})
	_, err := p.ReadConfiguration(t.Context(), &Reading{File: "conf.py", Limit: 10 * time.Millisecond})
	if fault.Of(err) != fault.ConfigurationFailed || err.Error() != "conf.py was not done after 10ms" {
		t.Error(err)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	p, _ := startReal(t, map[string]string{"conf.py": "import time\nopen('begun', 'w').close()\ntime.sleep(100)\n"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !exists("begun") {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := p.ReadConfiguration(ctx, &Reading{File: "conf.py", Limit: patience}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPythonWithoutSpeysideCannotReadAConfiguration(t *testing.T) {
	t.Setenv("PYTHONPATH", "")
	t.Chdir(t.TempDir())
	p, err := StartPython([]string{"python3", "-P", "-m", "speyside.boot"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err = p.ReadConfiguration(t.Context(), &Reading{File: "conf.py", Limit: patience}); fault.Of(err) != fault.ExtensionMissing {
		t.Error(err)
	}
}

func TestPythonThatNobodyWantsEnds(t *testing.T) {
	p, _ := startReal(t, map[string]string{"conf.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(100,)).start()\n"})
	if _, err := p.ReadConfiguration(t.Context(), &Reading{File: "conf.py", Limit: patience}); err != nil {
		t.Fatal(err)
	}
	p.control.dismiss()
	p.process.wait()
	if status, _ := p.process.reap(); exitStatus(status) != 0 {
		t.Errorf("status %d", status)
	}
}

func TestStartedPythonIsTheFirstZygoteAndTheNextOneReadsAgain(t *testing.T) {
	readings := filepath.Join(t.TempDir(), "readings")
	t.Setenv("FAKE_READINGS", readings)
	p, err := StartPython(os.Args[:1], nil) // the test's own zygote
	if err != nil {
		t.Fatal(err)
	}
	reading := &Reading{File: "conf.py", Names: names, Limit: patience}
	if c, err := p.ReadConfiguration(t.Context(), reading); err != nil || c.File != "conf.py" {
		t.Fatal(c, err)
	}
	first := p.process.pid
	s := begin(t, "", func(o *Options) { o.Started, o.Reading = p, reading })
	s.waitReady(2)
	if now, _ := s.Snapshot(t.Context()); now.Zygote != first {
		t.Errorf("the zygote is %d, and the Python that was given %d", now.Zygote, first)
	}
	kill(t, first, syscall.SIGKILL)
	s.waitReady(4)
	if told, err := os.ReadFile(readings); err != nil || string(told) != "conf.py\nconf.py\n" {
		t.Errorf("read %q, %v", told, err)
	}
}
