package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
)

const (
	manage = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
	ini    = "[app:main]\nuse = egg:shop\n[app:other]\n[server:main]\nuse = egg:waitress\nport = 6543\nthreads = 3\nident = x\n"
)

// mkdir makes a directory in the one that is read.
func (r *reading) mkdir(name string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

func TestApplicationIsLookedForWhereNothingNamesIt(t *testing.T) {
	r := in(t, "app.py", "app = f()\n")
	c := r.must()
	if c.Found == nil || c.Settings.Apps[0].WSGIApp != "app:app" || c.Settings.Source("wsgi_app") != "found: app.py has app" {
		t.Errorf("found %+v from %s", c.Found, c.Settings.Source("wsgi_app"))
	}
	for _, args := range [][]string{{"shop"}, {"-c", "named.toml"}, {"--paste", "shop.ini"}} {
		r.write("named.toml", "wsgi_app = \"shop\"\n")
		r.write("shop.ini", ini)
		if c := r.must(args...); c.Found != nil {
			t.Errorf("%q: found %+v all the same", args, c.Found)
		}
	}
	r.environ = []string{"SPEYSIDE_WSGI_APP=shop"}
	if c := r.must(); c.Found != nil {
		t.Errorf("found %+v, though the environment names one", c.Found)
	}
}

func TestEverythingThatIsWrongIsSaidWhereNoApplicationIsFound(t *testing.T) {
	r := in(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-w", "x", "--threads", "y"}, []string{`workers is "x"`, `threads is "y"`, "none was found in " + r.dir}},
		{[]string{"--chdir", "/nowhere", "-w", "x"}, []string{`chdir is "/nowhere"`, `workers is "x"`}},
		{[]string{"-c", "bad.toml"}, []string{"bad.toml:1"}},
	} {
		r.write("bad.toml", "no_such = 1\n")
		_, err := r.read(c.args...)
		if each := fault.Each(err); len(each) != len(c.want) {
			t.Errorf("%q: %v", c.args, err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: not said: %s, but %v", c.args, want, err)
			}
		}
	}
}

func TestWhatWasFoundIsAddedToWhatWasGiven(t *testing.T) {
	r := in(t)
	r.mkdir("backend/shop")
	r.write("backend/manage.py", manage)
	app := r.must("--pythonpath", "lib", "--env", "A=1").Settings.Apps[0]
	if app.WSGIApp != "django.core.wsgi:get_wsgi_application()" ||
		!slices.Equal(app.PythonPath, []string{filepath.Join(r.dir, "lib"), filepath.Join(r.dir, "backend")}) ||
		!slices.Equal(app.RawEnv, []string{"A=1", "DJANGO_SETTINGS_MODULE=shop.settings"}) {
		t.Errorf("%s, %q, %q", app.WSGIApp, app.PythonPath, app.RawEnv)
	}
	app = r.must("--env", "DJANGO_SETTINGS_MODULE=other.settings", "--chdir", filepath.Join(r.dir, "backend")).Settings.Apps[0]
	if app.PythonPath != nil || app.RawEnv[len(app.RawEnv)-1] != "DJANGO_SETTINGS_MODULE=other.settings" {
		t.Errorf("with settings named: %q, %q", app.PythonPath, app.RawEnv)
	}
}

func TestPasteFileCountsBelowEverythingElse(t *testing.T) {
	r := in(t, "shop.ini", ini, "speyside.toml", "threads = 5\n")
	for _, c := range []struct {
		args    []string
		app     string
		threads int
	}{
		{[]string{"shop.ini"}, "shop.ini", 5},
		{[]string{"shop.ini#other", "--threads", "7"}, "shop.ini#other", 7},
		{[]string{"config:shop.ini"}, "config:shop.ini", 5},
		{[]string{"--paste", "shop.ini", "-c", "off"}, "shop.ini", 3},
		{[]string{"-c", "shop.ini"}, r.dir + "/shop.ini", 3},
	} {
		read := r.must(c.args...)
		app := read.Settings.Apps[0]
		if app.WSGIApp != c.app || app.Threads != c.threads || read.Settings.Bind[0].String() != "0.0.0.0:6543" {
			t.Errorf("%q: %s with %d threads at %s", c.args, app.WSGIApp, app.Threads, read.Settings.Bind[0])
		}
		if n := len(read.Notes); n == 0 || !strings.Contains(read.Notes[n-1].Fields[7].(string), "ident (line 8)") {
			t.Errorf("%q: the notes are %v", c.args, read.Notes)
		}
	}
}

func TestPasteFileForGunicornMeansWhatGunicornMeans(t *testing.T) {
	server := "[app:main]\nuse = egg:shop\n[server:main]\nuse = egg:gunicorn#main\nhost = 127.0.0.1\nport = 6543\n"
	r := in(t, "shop.ini", server+"workers = 3\npreload_app = true\nsendfile = false\nbuffer = 1\n",
		"refused.ini", server+"certfile = server.pem\npost_fork = shop.hooks:post_fork\nworkers = many\n")
	c := r.must("shop.ini")
	app := c.Settings.Apps[0]
	if app.Workers != 3 || app.Threads != 1 || app.Preload != "on" || c.Settings.Bind[0].String() != "127.0.0.1:6543" || c.Settings.Source("workers") != "shop.ini:7" {
		t.Errorf("%d workers from %s, %d threads, preload %s, at %s", app.Workers, c.Settings.Source("workers"), app.Threads, app.Preload, c.Settings.Bind[0])
	}
	if n := c.Notes[len(c.Notes)-1]; !slices.Contains(n.Fields, any("buffer (line 10)")) {
		t.Errorf("the last note is %v", n)
	}
	_, err := r.read("refused.ini")
	for _, want := range []string{"certfile is server.pem (from refused.ini:7)", "post_fork is shop.hooks:post_fork (from refused.ini:8), and hooks are not called from there",
		"workers is many (from refused.ini:9): it must be an integer from 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s, but %v", want, err)
		}
	}
}

func TestPasteFileThatCannotBeUsedIsExplained(t *testing.T) {
	r := in(t, "shop.ini", ini, "half.ini", "[app:main", "empty.ini", "", "server.ini", "[app:main]\n[server:main]\nport = %(x)s\n")
	for app, want := range map[string]*fault.Fault{
		"nothing.ini": fault.ConfigurationUnreadable, "shop.ini#nothing": fault.PasteUnknown, "half.ini": fault.ConfigurationMalformed,
		"empty.ini": fault.PasteUnknown, "server.ini": fault.ConfigurationMalformed,
	} {
		if _, err := r.read(app); fault.Of(err) != want {
			t.Errorf("%s: %v", app, err)
		}
	}
	if _, err := r.read("shop", "--paste", "shop.ini"); fault.Of(err) != fault.Usage {
		t.Errorf("two on one command line: %v", err)
	}
}
