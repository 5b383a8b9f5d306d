package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// reading is a directory with files, from which configurations are read.
type reading struct {
	t       *testing.T
	dir     string
	environ []string
}

func in(t *testing.T, files ...string) *reading {
	t.Helper()
	r := &reading{t: t, dir: t.TempDir()}
	for i := 0; i < len(files); i += 2 {
		r.write(files[i], files[i+1])
	}
	return r
}

func (r *reading) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reading) read(args ...string) (*Config, error) {
	env := func(name string) string {
		for _, entry := range r.environ {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
	return Read(context.Background(), Options{Args: args, Env: env, Environ: r.environ, Dir: r.dir})
}

func (r *reading) must(args ...string) *Config {
	r.t.Helper()
	c, err := r.read(args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func TestFileCountsBelowFlagsAndOwnVariablesAndAboveGunicorns(t *testing.T) {
	r := in(t, "speyside.toml", "workers = 3\nwsgi_app = \"shop\"\nbind = \"127.0.0.1:1\"\n")
	r.environ = []string{"WEB_CONCURRENCY=7", "PORT=99"}
	if c := r.must(); c.Settings.Apps[0].Workers != 3 || c.Settings.Bind[0].Port != 1 || c.Settings.Source("workers") != "speyside.toml:1" {
		t.Errorf("%d from %s, %v", c.Settings.Apps[0].Workers, c.Settings.Source("workers"), c.Settings.Bind)
	}
	r.environ = append(r.environ, "SPEYSIDE_WORKERS=5")
	if c := r.must(); c.Settings.Apps[0].Workers != 5 {
		t.Errorf("%d workers", c.Settings.Apps[0].Workers)
	}
	if c := r.must("-w", "6"); c.Settings.Apps[0].Workers != 6 {
		t.Errorf("%d workers", c.Settings.Apps[0].Workers)
	}
}

func TestFirstFileFoundCountsAndTheOthersAreNamed(t *testing.T) {
	project := "[project]\nname = \"shop\"\n"
	r := in(t, "pyproject.toml", project)
	if c := r.must("app"); c.File != "" || len(c.Notes) != 0 {
		t.Errorf("%q, %v", c.File, c.Notes)
	}
	r.write("pyproject.toml", project+"[tool.speyside]\nthreads = 9\n[tool.speyside.app]\nworkers = 2\n[tool.other]\nworkers = 1\n")
	if c := r.must("app"); c.File != "pyproject.toml" || c.Settings.Apps[0].Threads != 9 || c.Settings.Apps[0].Workers != 2 ||
		c.Settings.Source("workers") != "pyproject.toml:6" {
		t.Errorf("%q, %+v", c.File, c.Settings.Apps[0])
	}
	r.write("speyside.toml", "threads = 8\n")
	if c := r.must("app"); c.File != "speyside.toml" || len(c.Notes) != 1 || c.Settings.Apps[0].Threads != 8 {
		t.Errorf("%q, %v", c.File, c.Notes)
	}
	if c := r.must("app", "-c", "off"); c.File != "" || c.Settings.Apps[0].Threads != 4 {
		t.Errorf("%q, %v", c.File, c.Notes)
	}
	r.environ = []string{"SPEYSIDE_CONFIG=pyproject.toml"}
	if c := r.must("app"); c.File != "pyproject.toml" {
		t.Errorf("%q", c.File)
	}
}

func TestProjectTableThatIsNoTableIsRefused(t *testing.T) {
	_, err := in(t, "pyproject.toml", "[tool]\nspeyside = 3\n").read("app")
	if err == nil || !strings.Contains(err.Error(), "pyproject.toml:2: tool.speyside is a table, and was given a value") {
		t.Error(err)
	}
}

func TestUnknownSettingSuggestsTheOneThatIsMeant(t *testing.T) {
	for written, want := range map[string]string{"WORKERS": "workers", "max-requests": "max_requests", "processes": "workers", "cheaper": "workers_min", "harakiri": "timeout",
		"module": "wsgi_app", "application": "wsgi_app", "port": "bind", "client_max_body_size": "limit_request_body", "access-logfile": "accesslog",
		"keepaliv": "keepalive", "greeting": ""} {
		_, err := in(t, "speyside.toml", written+" = 3\n").read("app")
		hint := fault.Hint(err)
		if want != "" && !strings.HasPrefix(hint, "did you mean "+want+"?") || want == "" && strings.Contains(hint, "did you mean") {
			t.Errorf("%s: %v, hint %q; want %q", written, err, hint, want)
		}
	}
}

func TestEveryErrorOfAFileIsToldWithItsLine(t *testing.T) {
	r := in(t, "speyside.toml", strings.Join([]string{
		"worker = 3", "bind = 5", "timeout = \"forever\"", "backlog = [1, 2]", "umask = 1979-05-27", "config = \"x\"", "[app]", "threads = 0", "keepalive = 3",
		"[[app.route]]", "prefix = \"/x\"", "timeuot = 3", "[server]", "x = 1"}, "\n"))
	_, err := r.read("app")
	got := ""
	for _, err := range fault.Each(err) {
		got += err.Error() + " | " + fault.Hint(err) + "\n"
	}
	for _, want := range []string{
		"speyside.toml:1: there is no setting worker | did you mean workers?",
		`setting timeout is "forever" (from speyside.toml:3): it must be seconds`,
		"speyside.toml:4: backlog has one value, and was given a list", "speyside.toml:5: umask wants a text or a number, and was given a date",
		"speyside.toml:6: a file cannot name another one",
		`setting threads is "0" (from speyside.toml:8)`, "speyside.toml:9: keepalive belongs to the server and not to an application | write it above",
		`setting route is "/x timeuot=3" (from speyside.toml:10): a route has no "timeuot"; did you mean timeout?`, "speyside.toml:14: there is no setting server.x",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestSeveralApplicationsComeLater(t *testing.T) {
	_, err := in(t, "speyside.toml", "[[app]]\nworkers = 1\n[[app]]\nworkers = 2\n").read("app")
	if err == nil || !strings.Contains(err.Error(), "speyside.toml:1: [[app]]: one application is served") {
		t.Errorf("%v", err)
	}
}

func TestValuesMayBeWrittenAsTOMLHasThem(t *testing.T) {
	r := in(t, "speyside.toml", `
bind = ["127.0.0.1:1", "[::1]:2"]
umask = 0o117
health = true
max_connections = 1_000
keepalive = 1.5
forwarded_allow_ips = "10.0.0.0/8, 127.0.0.1"
secure_scheme_headers = { X-FORWARDED-PROTO = "https" }
spool_limit = "5GB"
app = { preload = false, switch_interval = "off", chdir = "." }
route = [{ prefix = "/a", timeout = 5 }, "/b stream_request=on"]
[[route]]
prefix = "/c"
limit_request_body = "1MB"
`)
	_, err := r.read("app")
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a key that is there twice: %v", err)
	}
	text, _ := os.ReadFile(filepath.Join(r.dir, "speyside.toml"))
	whole, _, _ := strings.Cut(string(text), "[[route]]")
	r.write("speyside.toml", whole)
	s := r.must("app").Settings
	a := s.Apps[0]
	if len(s.Bind) != 2 || s.Umask != 0o117 || !s.Health || s.MaxConnections != 1000 || s.KeepAlive.Seconds() != 1.5 || len(s.ForwardedAllowIPs) != 2 ||
		s.SecureSchemeHeaders[0] != "X-FORWARDED-PROTO=https" || s.SpoolLimit != 5<<30 || a.Preload != "off" || a.SwitchInterval != 0 || a.Chdir != r.dir ||
		len(a.Routes) != 2 || a.Routes[0].Timeout.Seconds() != 5 || !*a.Routes[1].StreamRequest {
		t.Errorf("%+v, %+v", s, a)
	}
}

func TestFileThatCannotBeReadIsOneReadableError(t *testing.T) {
	r := in(t, "half.toml", "[app\n", "twice.toml", "a = 1\na = 2\n", "huge.toml", strings.Repeat("#", mostBytes+1), "x.cfg", "", "latin.toml", "bind = \"\xe9\"\n")
	if err := os.Mkdir(filepath.Join(r.dir, "dir.toml"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"half.toml": "half.toml:1:5: ", "twice.toml": "twice.toml:2:1: ", "huge.toml": "has more than 1048576 bytes",
		"x.cfg": "of no kind that is known", "dir.toml": "is not a file", "none.toml": "there is no file none.toml", "latin.toml": "latin.toml:1:9: "} {
		_, err := r.read("app", "-c", name)
		if err == nil || !strings.Contains(err.Error(), want) || fault.ExitCode(err) != fault.ExitConfiguration {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVariableThatIsNoSettingIsNamedAndEndsNothing(t *testing.T) {
	r := in(t)
	r.environ = []string{"SPEYSIDE_WORKER=3", "SPEYSIDE_PORT=tcp://10.0.0.1:80", "SPEYSIDE_SERVICE_HOST=10.0.0.1", "SPEYSIDE_THREADS=2", "HOME=/"}
	c := r.must("app")
	if len(c.Notes) != 1 || c.Notes[0].Fields[1] != "SPEYSIDE_WORKER" || c.Notes[0].Fields[3] != "SPEYSIDE_WORKERS" {
		t.Errorf("%v", c.Notes)
	}
}

func TestWhatIsPrintedHasTheSameEffect(t *testing.T) {
	r := in(t, "speyside.toml", "bind = [\":1\", \"unix:/run/x\"]\nroute = [\"/x timeout=5\"]\nlive_path = \"/\\\"quoted\\\\\"\n[app]\nworkers = 3\n")
	var first, second strings.Builder
	if err := r.must("shop:app").Settings.Print(&first); err != nil {
		t.Fatal(err)
	}
	r.write("speyside.toml", first.String())
	again := r.must()
	if err := again.Settings.Print(&second); err != nil {
		t.Fatal(err)
	}
	if values(first.String()) != values(second.String()) || again.Settings.Source("workers") == settings.SourceDefault {
		t.Errorf("%s\n%s", first.String(), second.String())
	}
}

func TestEveryExampleIsAccepted(t *testing.T) {
	for _, s := range settings.Table() {
		if s.NamesFile() {
			continue
		}
		r := in(t, "speyside.toml", s.Name+" = "+s.InFile()+"\n")
		_, err := r.read("app")
		if err != nil && !strings.Contains(err.Error(), "a directory that exists") {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestTableOfAProjectFileMayStandInOneLine(t *testing.T) {
	for _, text := range []string{
		"[tool]\nspeyside = { workers = 2, app = { threads = 3, wsgi_app = 'shop' } }\n",
		"tool = { other = 1, speyside = { workers = 2, app = { threads = 3, wsgi_app = 'shop' } } }\n",
		"tool.speyside = { workers = 2, app.threads = 3, app.wsgi_app = 'shop' }\n",
	} {
		c := in(t, "pyproject.toml", text).must()
		if app := c.Settings.Apps[0]; app.Workers != 2 || app.Threads != 3 || app.WSGIApp != "shop" {
			t.Errorf("%q: %d workers, %d threads, %q", text, app.Workers, app.Threads, app.WSGIApp)
		}
	}
	_, err := in(t, "pyproject.toml", "[tool]\nspeyside = 5\n").read("-c", "pyproject.toml", "shop")
	if fault.Of(err) != fault.SettingInvalid || !strings.Contains(err.Error(), "pyproject.toml:2: tool.speyside is a table") {
		t.Errorf("a number in its place: %v", err)
	}
}

func TestHalfWrittenProjectFileIsAnErrorAndNotNone(t *testing.T) {
	_, err := in(t, "pyproject.toml", "[tool.speyside]\nworkers = 3\nbind = [\"127.0").read("shop")
	if fault.Of(err) != fault.ConfigurationMalformed || !strings.Contains(err.Error(), "pyproject.toml:3") {
		t.Errorf("got %v", err)
	}
	if _, err := in(t, "pyproject.toml", "[build-system]\n").read("shop"); err != nil {
		t.Errorf("one that is not ours: %v", err)
	}
}

func TestPathsOfAFileStartWhereItLiesAndProgramsAreLookedUp(t *testing.T) {
	r := in(t)
	if err := os.MkdirAll(filepath.Join(r.dir, "conf", "src"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.write("conf/speyside.toml", "[app]\nwsgi_app = 'shop'\nchdir = 'src'\npython = 'python3.13'\n")
	app := r.must("-c", "conf/speyside.toml").Settings.Apps[0]
	if want := filepath.Join(r.dir, "conf", "src"); app.Chdir != want || app.Python != "python3.13" {
		t.Errorf("chdir %s, want %s; python %s", app.Chdir, want, app.Python)
	}
}

// values are the lines without where their values come from.
func values(text string) string {
	var b strings.Builder
	for _, line := range strings.Split(text, "\n") {
		if i := strings.LastIndex(line, " # "); i >= 0 {
			line = strings.TrimSpace(line[:i])
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func FuzzTOML(f *testing.F) {
	for _, seed := range []string{"workers = 3\n", "[app]\nthreads = 1\n[[app.route]]\nprefix = '/x'\n", "a.b.c = { d = [1, {e = 2}] }\n", "[[app]]\n", "\"\" = 1\n", "app = 1\n",
		"[app.route]\nx=1\n", "[app]\n[[route]]\n[route.x]\ny=2\n", "secure_scheme_headers.X = 'y'\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		layers, err := readTOML("/x.toml", "x.toml", []byte(text))
		for _, err := range fault.Each(errors.Join(err)) {
			if err != nil && fault.Of(err) == nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		for _, layer := range layers {
			for name := range layer {
				if _, known := settings.Named(name); !known {
					t.Errorf("%q gave %s", text, name)
				}
			}
		}
	})
}
