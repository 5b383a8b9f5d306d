package interpreter

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Program returns the path that this program was started by. Its directory may lead through symbolic links, which are looked
// up again at each reload; that of the file itself is followed, since the environment is where the file is.
func Program(arg0 string) string {
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
