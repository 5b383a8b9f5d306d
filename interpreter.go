package speyside

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"speyside.dev/speyside/internal/fault"
)

// findPython returns the interpreter that runs the application: the one that was asked for, else the one of the
// environment that speyside is installed in, of the active virtual environment, or the first on PATH.
func findPython(wanted, executable string, env func(string) string, exists func(string) bool) (string, error) {
	if wanted != "" {
		path, err := exec.LookPath(wanted)
		if err != nil {
			return "", fault.New(fault.PythonNotFound, "there is no Python interpreter at %s: %w", wanted, err)
		}
		return path, nil
	}
	candidates := []string{filepath.Join(filepath.Dir(executable), "python3"), filepath.Join(filepath.Dir(executable), "python")}
	if venv := env("VIRTUAL_ENV"); venv != "" {
		candidates = append(candidates, filepath.Join(venv, "bin", "python3"))
	}
	for _, path := range candidates {
		if exists(path) {
			return path, nil
		}
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", fault.New(fault.PythonNotFound, "no Python interpreter was found: not at %s, and no python3 on PATH",
			candidates[0])
	}
	return path, nil
}

// program returns the path that this program was started by. Its directory may lead through symbolic links, which are looked
// up again at each reload; that of the file itself is followed, since the environment is where the file is.
func program(arg0 string) string {
	real, err := os.Executable()
	if err != nil {
		real = string(filepath.Separator)
	}
	path, err := exec.LookPath(arg0)
	if err != nil {
		return real
	}
	if path, err = filepath.Abs(path); err != nil {
		return real
	}
	for range 16 { // more is a circle
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if !sameFile(path, real) {
		return real
	}
	return path
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// executableFile reports whether path can be run.
func executableFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&fs.FileMode(0o111) != 0
}
