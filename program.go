package speyside

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

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

// isScript reports whether app is a file to run, rather than a name to import.
func isScript(app string) bool { return strings.HasSuffix(app, ".py") && !strings.Contains(app, ":") }
