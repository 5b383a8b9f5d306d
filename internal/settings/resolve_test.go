package settings

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// resolve resolves a command line on a machine with 6 CPUs.
func resolve(line string, env ...string) (one, error) {
	return resolveArgs(strings.Fields(line), env...)
}

// one is what tests look at: the settings of the server, and those of its application.
type one struct {
	*Settings
	*App
}

func resolveArgs(args []string, env ...string) (one, error) {
	lookup := func(name string) string {
		for _, entry := range env {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
	flags, err := ParseFlags(args)
	if err != nil {
		return one{}, err
	}
	s, err := resolver{Sources{Flags: flags.Given, Env: lookup}, machine{have: 6, granted: 6}}.resolve()
	if err != nil {
		return one{}, err
	}
	return one{s, s.Apps[0]}, nil
}

func mustResolve(t *testing.T, line string, env ...string) one {
	t.Helper()
	s, err := resolve(line, env...)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return s
}

func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	s := mustResolve(t, "app:app")
	if s.WSGIApp != "app:app" || s.Workers != 6 || s.Threads != 4 || s.Loops != 1 || s.Backlog != 2048 || s.Umask != 0 {
		t.Errorf("got %+v", s)
	}
	if len(s.Bind) != 1 || s.Bind[0].String() != "127.0.0.1:8000" {
		t.Errorf("bind is %v", s.Bind)
	}
	if s.KeepAlive != 75*time.Second || s.GracefulTimeout != 30*time.Second || s.HeaderTimeout != 15*time.Second {
		t.Errorf("timeouts are %v, %v, %v", s.KeepAlive, s.GracefulTimeout, s.HeaderTimeout)
	}
	if s.MaxConnections != 10000 || s.BodyTimeout != 15*time.Second || s.SendTimeout != time.Minute {
		t.Errorf("got %d, %v, %v", s.MaxConnections, s.BodyTimeout, s.SendTimeout)
	}
	if s.LogLevel != slog.LevelInfo || !filepath.IsAbs(s.Chdir) || s.LimitRequestFields != 100 || s.LimitRequestLine != 8190 {
		t.Errorf("got %+v", s)
	}
}

func TestFlagBeatsOwnVariableBeatsGunicornsBeatsDefault(t *testing.T) {
	gunicorns, own := "WEB_CONCURRENCY=2", "SPEYSIDE_WORKERS=3"
	for _, c := range []struct {
		line   string
		env    []string
		want   int
		source Source
	}{
		{"a", nil, 6, SourceDefault},
		{"a", []string{"WEB_CONCURRENCY="}, 6, SourceDefault},
		{"a", []string{gunicorns}, 2, "environment variable WEB_CONCURRENCY"},
		{"a", []string{gunicorns, own}, 3, "environment variable SPEYSIDE_WORKERS"},
		{"a -w 4", []string{gunicorns, own}, 4, "--workers"},
		{"-w4 a --workers=auto", []string{own}, 6, "--workers"},
	} {
		s := mustResolve(t, c.line, c.env...)
		if s.Workers != c.want || s.Source("workers") != c.source || s.Given("workers") != (c.source != SourceDefault) {
			t.Errorf("%s with %v: %d from %q, want %d from %q", c.line, c.env, s.Workers, s.Source("workers"), c.want, c.source)
		}
	}
}

func TestPortVariableOpensEveryAddress(t *testing.T) {
	if s := mustResolve(t, "a", "PORT=5000"); s.Bind[0].String() != "0.0.0.0:5000" {
		t.Errorf("bind is %v", s.Bind)
	}
	if s := mustResolve(t, "a -b :1", "PORT=5000"); s.Bind[0].String() != "0.0.0.0:1" {
		t.Errorf("bind is %v", s.Bind)
	}
}

func TestBindIsRepeatable(t *testing.T) {
	for _, s := range []one{
		mustResolve(t, "-b :1 --bind [::1]:2 a --chdir /tmp --bind unix:run/x.sock"),
		mustResolve(t, "a --chdir /tmp", "SPEYSIDE_BIND=:1, [::1]:2,unix:run/x.sock"),
	} {
		if len(s.Bind) != 3 || s.Bind[1].String() != "[::1]:2" || s.Bind[2].String() != "unix:/tmp/run/x.sock" {
			t.Errorf("bind is %v", s.Bind)
		}
	}
}

func TestRelativePathsStartAtChdir(t *testing.T) {
	dir := t.TempDir()
	s := mustResolve(t, "a --pythonpath lib,/opt/x --chdir "+dir)
	if s.Chdir != dir || s.PythonPath[0] != filepath.Join(dir, "lib") || s.PythonPath[1] != "/opt/x" {
		t.Errorf("chdir %s, pythonpath %v", s.Chdir, s.PythonPath)
	}
}

func TestSizesAreBytesOrPowersOf1024(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1500": 1500, "64k": 64 << 10, "64kB": 64 << 10, "10MB": 10 << 20, "10 mb": 10 << 20,
		"1.5GB": 3 << 29, "2g": 2 << 30, "7B": 7} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "k", "MB", "ten", "1TBB", "1 0", "1kk", "1e400", "nan", "-", "1bk", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
	for _, text := range []string{"-1", "2000000GB"} {
		if _, err := resolve("--limit-request-body=" + text + " app"); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestDurationsAreSecondsOrGoDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1m30s": 90 * time.Second, "75": 75 * time.Second, "0.5": 500 * time.Millisecond, "0": 0, "24h": 24 * time.Hour,
	} {
		if s := mustResolve(t, "a --graceful-timeout "+text); s.GracefulTimeout != want {
			t.Errorf("%s is %v, want %v", text, s.GracefulTimeout, want)
		}
	}
}

func TestSwitchIntervalIsAWordOrADuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"auto": AutoSwitchInterval, "off": 0, "0": 0, "0.0005": 500 * time.Microsecond, "2ms": 2 * time.Millisecond, "1": time.Second,
		"0.00001": 10 * time.Microsecond,
	} {
		if s := mustResolve(t, "a --switch-interval "+text); s.SwitchInterval != want {
			t.Errorf("%s is %v, want %v", text, s.SwitchInterval, want)
		}
	}
	if s := mustResolve(t, "a"); s.SwitchInterval != AutoSwitchInterval {
		t.Errorf("unset it is %v", s.SwitchInterval)
	}
	for _, text := range []string{"on", "", "Auto", "-1ns", "-0.000000001", "1.1", "1us", "nan"} {
		if s, err := resolve("a --switch-interval=" + text); err == nil {
			t.Errorf("%q was taken for %v", text, s.SwitchInterval)
		}
	}
}

func TestUmaskIsReadAsByGunicorn(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "022": 0o22, "0o117": 0o117, "18": 18, "0x1f": 0x1f} {
		if s := mustResolve(t, "a -m "+text); s.Umask != want {
			t.Errorf("umask %s is %#o, want %#o", text, s.Umask, want)
		}
	}
}

func TestZeroLimitIsTheWholeHead(t *testing.T) {
	s := mustResolve(t, "a --limit-request-line 0 --limit-request-field_size 0")
	if s.LimitRequestLine != MaxHead || s.LimitRequestFieldSize != MaxHead {
		t.Errorf("limits are %d and %d", s.LimitRequestLine, s.LimitRequestFieldSize)
	}
}

func TestBadValueNamesSettingSourceAndRange(t *testing.T) {
	for _, c := range []struct{ line, env, want string }{
		{"a -w 0", "", `setting workers is "0" (from --workers): it must be auto or an integer from 1 to 1024`},
		{"a", "WEB_CONCURRENCY=many", `setting workers is "many" (from environment variable WEB_CONCURRENCY): it must be auto or`},
		{"a --threads 1e3", "", `setting threads is "1e3" (from --threads): it must be an integer from 1 to 1024`},
		{"a --threads auto", "", "an integer from 1 to 1024"},
		{"a --limit-request-fields 1001", "", "from 1 to 1000"},
		{"a --keep-alive -1", "", "seconds or a duration such as 1m30s, from 0 to 24h"},
		{"a --keep-alive NaN", "", "from 0 to 24h"},
		{"a --keep-alive 1e300", "", "from 0 to 24h"},
		{"a --graceful-timeout 3days", "", `"3days"`},
		{"a --log-level loud", "", "one of debug, info, warning, error, critical"},
		{"a -m 01000", "", "from 0 to 0o777"},
		{"a --chdir /no/such/place", "", `setting chdir is "/no/such/place" (from --chdir): it must be a directory that exists`},
		{"a -b 127.0.0.1:99999", "", `setting bind is "127.0.0.1:99999" (from --bind): "99999" is no port`},
		{"a", "PORT=http", `setting bind is "0.0.0.0:http" (from environment variable PORT): "http" is no port`},
		{"a -b :80 -b :80", "", "it is there twice"},
		{"a -b unix:/" + strings.Repeat("x", 107), "", "at most 107 bytes"},
	} {
		_, err := resolve(c.line, c.env)
		if fault.Of(err) != fault.SettingInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: error %v, want %q", c.line, c.env, err, c.want)
		}
		if fault.ExitCode(err) != fault.ExitConfiguration {
			t.Errorf("%s %s: exit %d", c.line, c.env, fault.ExitCode(err))
		}
	}
}

func TestWordsOfOtherServersAreOfSettingsThatThereAre(t *testing.T) {
	for word, ours := range elsewhere {
		if meant := Meant(word); meant == nil || meant.Name != ours {
			t.Errorf("%s is said to be %s: %v", word, ours, meant)
		}
		for i := range table {
			if table[i].Name == word || table[i].FlagName() == word {
				t.Errorf("%s is a setting itself", word)
			}
		}
	}
	for _, unlike := range []string{"quantum", "x", "", "greeting"} {
		if meant := Meant(unlike); meant != nil {
			t.Errorf("%q means %s", unlike, meant.Name)
		}
	}
}

func TestNearestIsOneThatSomebodyMayHaveMistyped(t *testing.T) {
	names := []string{"help", "keyfile", "paste", "reload", "route", "scale", "status", "stop", "workers"}
	for typed, want := range map[string]string{"sotp": "stop", "scael": "scale", "relaod": "reload", "worker": "workers", "wrokres": "workers", "stats": "status",
		"stop": "stop", "http": "", "module": "", "pidfile": "", "listen": "", "x": "", "": ""} {
		if near := Nearest(typed, names); near != want {
			t.Errorf("%q: %q, want %q", typed, near, want)
		}
	}
}

func TestUnknownFlagSuggestsTheNearest(t *testing.T) {
	for _, c := range []struct{ line, want, hint string }{
		{"a --worker 2", "there is no flag --worker", "did you mean --workers?"},
		{"a --keepalive 2", "there is no flag --keepalive", "did you mean --keep-alive?"},
		{"a --pidfile x", "there is no flag --pidfile", "did you mean --pid?"},
		{"a --accesslog -", "there is no flag --accesslog", "did you mean --access-logfile?"},
		{"a --processes 2", "there is no flag --processes", "did you mean --workers?"},
		{"a --http :80", "there is no flag --http", "did you mean --bind?"},
		{"--module a", "there is no flag --module", "the application is named without a flag"},
		{"a --certfile x", "there is no flag --certfile", "speyside --help lists every flag."},
		{"a -z", "there is no flag -z", "speyside --help lists every flag."},
		{"a -w", "flag needs an argument", "speyside --help"},
		{"", "no application was named", "name it: speyside module:callable"},
		{"a b", "one application is served, and 2 were named: a b", "speyside --help"},
	} {
		_, err := resolve(c.line)
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(fault.Hint(err), c.hint) {
			t.Errorf("%q: error %v, hint %q; want %q, %q", c.line, err, fault.Hint(err), c.want, c.hint)
		}
		if fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%q: exit %d", c.line, fault.ExitCode(err))
		}
	}
}

func TestHelpAndVersionNeedNoApplication(t *testing.T) {
	for line, want := range map[string]error{"--help": ErrHelp, "-h": ErrHelp, "--version": ErrVersion, "-v": ErrVersion} {
		if _, err := resolve(line); !errors.Is(err, want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestApplicationMayComeFromTheEnvironment(t *testing.T) {
	if s := mustResolve(t, "", "SPEYSIDE_WSGI_APP=wsgi:application"); s.WSGIApp != "wsgi:application" {
		t.Errorf("app is %q", s.WSGIApp)
	}
}

func TestPathOfPythonStartsWhereItWasTyped(t *testing.T) {
	s := mustResolve(t, "a --chdir /tmp --python .venv/bin/python")
	if want, _ := filepath.Abs(".venv/bin/python"); s.Python != want {
		t.Errorf("python is %s, want %s", s.Python, want)
	}
	if s := mustResolve(t, "a --python python3.13"); s.Python != "python3.13" {
		t.Errorf("python is %s", s.Python)
	}
}

func TestFlagThatMayStandAloneTakesTheNextArgumentIfThatCanBeItsValue(t *testing.T) {
	for args, want := range map[string]string{
		"app": "off", "app --proxy-protocol": "auto", "--proxy-protocol app": "auto", "--proxy-protocol v2 app": "v2",
		"--proxy-protocol=v1 app": "v1", "--proxy_protocol app": "auto", "--proxy-protocol --workers 2 app": "auto",
		"app --proxy-protocol off": "off",
	} {
		s, err := resolve(args)
		if err != nil || s.ProxyProtocol != want || s.WSGIApp != "app" {
			t.Errorf("%s: %v, %v", args, s, err)
		}
	}
}

func TestSwitchMayStandAlone(t *testing.T) {
	for args, want := range map[string]bool{
		"app": false, "app --health": true, "--health app": true, "app --health --workers 2": true, "--health=off app": false,
		"--health off app": false, "app --health on": true,
	} {
		s, err := resolve(args)
		if err != nil || s.Health != want || s.WSGIApp != "app" {
			t.Errorf("%s: %v, %v", args, s, err)
		}
	}
}

func TestListsHaveTheirDefaultAndMayBeEmpty(t *testing.T) {
	s, err := resolve("app")
	if err != nil || !slices.Equal(s.ForwardedAllowIPs, []string{"127.0.0.1", "::1"}) || len(s.SecureSchemeHeaders) != 3 {
		t.Errorf("%v, %v", s, err)
	}
	s, err = resolve("app --forwarded-allow-ips=")
	if err != nil || len(s.ForwardedAllowIPs) != 0 {
		t.Errorf("%v, %v", s, err)
	}
	for _, bad := range []string{"10.0.0.1/8", "localhost", "10.0.0.0/40", "fe80::1%eth0", "10.0.0.1 10.0.0.2"} {
		if _, err := resolveArgs([]string{"app", "--forwarded-allow-ips", "127.0.0.1," + bad}); err == nil {
			t.Errorf("%s is allowed", bad)
		}
	}
}
