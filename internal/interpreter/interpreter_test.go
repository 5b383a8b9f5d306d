package interpreter

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
)

// world is a directory with environments in it, which are files alone.
type world struct {
	t   *testing.T
	dir string
}

func newWorld(t *testing.T) world {
	t.Helper()
	t.Setenv("PATH", "/nowhere")
	return world{t, t.TempDir()}
}

func (w world) path(name string) string { return filepath.Join(w.dir, name) }

func (w world) write(name, text string, mode os.FileMode) string {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

// venv makes a virtual environment.
func (w world) venv(name, config string) {
	w.write(name+"/pyvenv.cfg", config, 0o644)
	w.write(name+"/bin/python3", "", 0o755)
}

// installed makes an installation of speyside, and returns the program.
func (w world) installed(prefix, version string) string {
	w.write(prefix+"/lib/python3.12/site-packages/speyside/_version.py", "__version__ = \""+version+"\"\n", 0o644)
	w.write(prefix+"/lib/python3.12/site-packages/speyside/_gateway.abi3.so", "", 0o644)
	return w.write(prefix+"/bin/speyside", "", 0o755)
}

const whole = "home = /usr/bin\nversion = 3.12.1\n"

func TestVirtualEnvironmentComesBeforeSpeysidesOwnPython(t *testing.T) {
	w := newWorld(t)
	own := w.installed("pipx", "1.0")
	w.venv("pipx", whole)
	for _, name := range []string{"shop/.venv", "shop/venv", "shop/env", "active", "named"} {
		w.venv(name, whole)
	}
	w.installed("shop/env", "1.0")
	w.write("bin/python", "", 0o755)
	w.write("empty/file", "", 0o644)
	for _, c := range []struct {
		name                            string
		python, venv, active, dir, prog string
		want, why                       string
	}{
		{name: "python", python: "bin/python", venv: "named", active: "active", dir: "shop", want: "bin/python", why: "as named by python"},
		{name: "venv", venv: "named", active: "active", dir: "shop", want: "named/bin/python3", why: "as named by venv"},
		{name: "active", active: "active", dir: "shop", want: "active/bin/python3", why: "VIRTUAL_ENV"},
		{name: "project", dir: "shop", want: "shop/.venv/bin/python3", why: "the project's .venv"},
		{name: "own", dir: "empty", want: "pipx/bin/python3"},
		{name: "own is active", dir: "shop", active: "pipx", want: "pipx/bin/python3"},
		{name: "own is in the project", dir: "shop", prog: "shop/env/bin/speyside", active: "active", want: "shop/env/bin/python3"},
	} {
		wanted := Wanted{Dir: w.path(c.dir), Program: own, Version: "1.0", Env: func(name string) string {
			if name == "VIRTUAL_ENV" && c.active != "" {
				return w.path(c.active)
			}
			return ""
		}}
		if c.python != "" {
			wanted.Python = w.path(c.python)
		}
		if c.venv != "" {
			wanted.Venv = w.path(c.venv)
		}
		if c.prog != "" {
			wanted.Program = w.path(c.prog)
		}
		found, err := Find(wanted)
		if err != nil || found.Path != w.path(c.want) || found.Why != c.why {
			t.Errorf("%s: Find returned %+v, %v", c.name, found, err)
		}
	}
}

func TestPackageIsLentToWhoeverHasNotTheSame(t *testing.T) {
	w := newWorld(t)
	program := w.installed("tools/*[x]", "1.0") // no pattern
	w.write("tools/*[x]/bin/python3", "", 0o755)
	w.venv("shop/.venv", whole)
	lent := w.path("tools/*[x]/lib/python3.12/site-packages/speyside/lent.py")
	start := func(program, dir, version string) []string {
		found, err := Find(Wanted{Dir: w.path(dir), Program: program, Version: version, Env: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		return found.Module("boot")
	}
	if got, want := start(program, "shop", "1.0"), []string{w.path("shop/.venv/bin/python3"), "-P", lent, "boot"}; !slices.Equal(got, want) {
		t.Errorf("the environment is started with %q, not %q", got, want)
	}
	own := []string{w.path("tools/*[x]/bin/python3"), "-P", "-m", "speyside.boot"}
	if got := start(program, "tools", "1.0"); !slices.Equal(got, own) {
		t.Errorf("speyside's own is started with %q, not %q", got, own)
	}
	own[0] = w.path("shop/.venv/bin/python3")
	if got := start(program, "shop", "1.1"); !slices.Equal(got, own) {
		t.Errorf("with a package of another version it is started with %q", got)
	}
	if got := start(w.write("copied/bin/speyside", "", 0o755), "shop", "1.0"); !slices.Equal(got, own) {
		t.Errorf("without a package to lend it is started with %q", got)
	}
}

func TestUnusableEnvironmentIsExplained(t *testing.T) {
	for want, make := range map[string]func(world){
		"there is no such directory":            func(world) {},
		"so it is none":                         func(w world) { w.write("e/bin/python3", "", 0o755) },
		"does not say where its Python is from": func(w world) { w.venv("e", "hom") },
		"leads to " + os.DevNull + "/python3":   func(w world) { w.broken(os.DevNull + "/python3") },
		"no Python: there is no":                func(w world) { w.write("e/pyvenv.cfg", whole, 0o644) },
		"token too long":                        func(w world) { w.venv("e", strings.Repeat("x", 1<<20)) },
		"has Python 3.10.4, which is older":     func(w world) { w.venv("e", "home = /\nversion = 3.10.4\n") },
		"has Python 3.9.1.final.0":              func(w world) { w.venv("e", "home = /\nversion_info = 3.9.1.final.0\n") },
		"has Python 2.7.18":                     func(w world) { w.venv("e", "home = /\nversion = 2.7.18\nversion_info = 2.7.18.final.0\n") },
	} {
		w := newWorld(t)
		make(w)
		_, err := Find(Wanted{Venv: w.path("e"), Program: "/nowhere/bin/speyside", Env: func(string) string { return "" }})
		if f := fault.Of(err); f != fault.VenvUnusable && f != fault.PythonTooOld || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), w.path("e")) {
			t.Errorf("%s: Find returned %v", want, err)
		}
	}
}

// broken makes an environment whose Python is a link that leads nowhere.
func (w world) broken(target string) {
	w.write("e/pyvenv.cfg", whole, 0o644)
	if err := os.MkdirAll(w.path("e/bin"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(target, w.path("e/bin/python3")); err != nil {
		w.t.Fatal(err)
	}
}

func TestEnvironmentsThatArePlausibleAreLeftToPython(t *testing.T) {
	for _, config := range []string{whole, "home = /usr/bin\nversion_info = 3.13.0\n", "home=/usr/bin\n", "HOME = /x\nversion = 3.x\n"} {
		w := newWorld(t)
		w.venv("e", config)
		if found, err := Find(Wanted{Venv: w.path("e"), Program: "/nowhere/bin/speyside", Env: os.Getenv}); err != nil || found.Path != w.path("e/bin/python3") {
			t.Errorf("%q: Find returned %+v, %v", config, found, err)
		}
	}
	w := newWorld(t)
	w.write("e/bin/python", "", 0o755)
	w.write("e/conda-meta/history", "", 0o644)
	if found, err := Find(Wanted{Venv: w.path("e"), Program: "/nowhere/bin/speyside", Env: os.Getenv}); err != nil || found.Path != w.path("e/bin/python") {
		t.Errorf("an environment of conda's: Find returned %+v, %v", found, err)
	}
}

func TestNoPythonAnywhereNamesThePlaces(t *testing.T) {
	w := newWorld(t)
	_, err := Find(Wanted{Dir: w.dir, Program: w.path("bin/speyside"), Env: func(string) string { return "" }})
	if fault.Of(err) != fault.PythonNotFound || !strings.Contains(err.Error(), w.path("bin/python3")) || !strings.Contains(err.Error(), "no .venv, venv or env in "+w.dir) {
		t.Errorf("Find returned %v", err)
	}
}
