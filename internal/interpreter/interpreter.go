// Package interpreter finds the Python that runs the application, and how to start Speyside's own package in it. Most callers need Find
// and Interpreter.Module.
//
// It starts nothing and executes nothing: a virtual environment is judged by its files. Where the interpreter has no Speyside of its
// own, or another version of it, the package that was installed with this program is lent to it: that package alone, none of its neighbours.
package interpreter

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"speyside.dev/speyside/internal/fault"
)

// Wanted is what there is to find an interpreter by.
type Wanted struct {
	Python  string // a path, or a name to look up in PATH; empty: nobody named one
	Venv    string // the directory of a virtual environment, absolute; empty: nobody named one
	Dir     string // the project's, absolute
	Program string // the path that this program was started by
	Version string // of this program: the package must have the same
	Env     func(string) string
}

// Interpreter is a Python.
type Interpreter struct {
	Path string
	Why  string // why this one, in a few words; empty when it is the one that speyside is installed in
	lent string // a directory that has Speyside's package; empty: the interpreter has one itself
}

// inProject are the names of a virtual environment that is looked for in the project.
var inProject = []string{".venv", "venv", "env"}

// Find returns the interpreter that was asked for; else that of the virtual environment which was asked for, is active, or is in the
// project; else the one that speyside is installed beside; else the first on PATH. The error is a [fault.Error].
func Find(w Wanted) (Interpreter, error) {
	found, err := w.choose()
	if err != nil {
		return Interpreter{}, err
	}
	if found.Why != "" && filepath.Dir(found.Path) != filepath.Dir(w.Program) {
		found.lent = packageOf(w.Program, w.Version)
	}
	return found, nil
}

func (w Wanted) choose() (Interpreter, error) {
	if w.Python != "" {
		path, err := exec.LookPath(w.Python)
		if err != nil {
			return Interpreter{}, notThere(w.Python, err)
		}
		return Interpreter{Path: path, Why: "as named by python"}, nil
	}
	if dir, why := w.venv(); dir != "" {
		path, err := pythonOf(dir, why)
		return Interpreter{Path: path, Why: why}, err
	}
	own := filepath.Dir(w.Program)
	for _, name := range []string{"python3", "python"} {
		if path := filepath.Join(own, name); executableFile(path) {
			return Interpreter{Path: path}, nil
		}
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		return Interpreter{}, fault.New(fault.PythonNotFound, "no Python interpreter was found: no .venv, venv or env in %s, none at %s, and no python3 on PATH",
			w.Dir, filepath.Join(own, "python3"))
	}
	return Interpreter{Path: path, Why: "the first python3 on PATH"}, nil
}

// notThere says what is wrong with an interpreter that was named.
func notThere(python string, err error) error {
	if target := dangling(python); target != "" && errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.PythonNotFound, "there is no Python interpreter at %s: it leads to %s, which is not there", python, target).
			WithHint("make the virtual environment anew, or name another interpreter with --python.")
	}
	missing := fault.New(fault.PythonNotFound, "there is no Python interpreter at %s: %w", python, err)
	if errors.Is(err, fs.ErrPermission) {
		return missing.WithHint("user %d must be allowed to run it, and to search every directory on the way to it.", os.Geteuid())
	}
	return missing
}

// venv is the virtual environment that counts, and why; empty when there is none, or when speyside is installed in it: one within the project was
// chosen by starting its speyside, whatever else there is.
func (w Wanted) venv() (dir, why string) {
	own := filepath.Dir(filepath.Dir(w.Program))
	active := w.Env("VIRTUAL_ENV")
	switch {
	case w.Venv != "":
		return w.Venv, "as named by venv"
	case isVenv(own) && (sameFile(own, active) || sameFile(filepath.Dir(own), w.Dir)):
		return "", ""
	case active != "":
		return active, "VIRTUAL_ENV"
	}
	for _, name := range inProject {
		if dir := filepath.Join(w.Dir, name); isVenv(dir) {
			return dir, "the project's " + name
		}
	}
	return "", ""
}

// Module returns what to start the interpreter with so that it runs the main function of a module of Speyside's package: `boot` for
// speyside.boot.
func (i Interpreter) Module(name string) []string {
	if i.lent == "" {
		return []string{i.Path, "-P", "-m", "speyside." + name}
	}
	return []string{i.Path, "-P", filepath.Join(i.lent, "lent.py"), name}
}

// packageOf returns the directory of the package that was installed with the program, or "": the program was copied from elsewhere.
func packageOf(program, version string) string {
	prefix := filepath.Dir(filepath.Dir(program))
	for _, places := range []string{
		"lib/python3.*/site-packages", "lib64/python3.*/site-packages",
		"lib/python3.*/dist-packages", "local/lib/python3.*/dist-packages", // Debian's
		".", // pip install --target
	} {
		found, _ := filepath.Glob(filepath.Join(escaped(prefix), places, "speyside"))
		for _, dir := range found {
			if versionOf(dir) == version && executableFile(program) {
				return dir
			}
		}
	}
	return ""
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// executableFile reports whether path can be run. One that this user may not look at counts: that it cannot be run is to be said, rather
// than another one taken.
func executableFile(path string) bool {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	return err == nil && info.Mode().IsRegular() && info.Mode()&fs.FileMode(0o111) != 0
}
