package interpreter

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/fault"
)

const (
	oldest     = 11      // of Python 3
	mostConfig = 1 << 16 // bytes of pyvenv.cfg that are read
)

// isVenv reports that dir is, or has been, a virtual environment.
func isVenv(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil
}

// pythonOf returns the interpreter of a virtual environment, or says what is wrong with it.
func pythonOf(dir, why string) (string, error) {
	broken := func(format string, args ...any) (string, error) {
		err := fault.New(fault.VenvUnusable, "the virtual environment at %s (%s) cannot be used: "+format, append([]any{dir, why}, args...)...)
		if why == "VIRTUAL_ENV" {
			err = err.WithHint("activate another environment or unset VIRTUAL_ENV; or name the environment with --venv, or the interpreter with --python.")
		}
		return "", err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return broken("there is no such directory")
	}
	config, err := readConfig(filepath.Join(dir, "pyvenv.cfg"))
	_, conda := os.Stat(filepath.Join(dir, "conda-meta"))
	switch {
	case err != nil && conda == nil: // an environment of conda's has no such file
	case errors.Is(err, fs.ErrNotExist):
		return broken("it has no pyvenv.cfg, so it is none")
	case err != nil:
		return broken("%w", err)
	case config["home"] == "":
		return broken("its pyvenv.cfg does not say where its Python is from")
	}
	if version := config["version"] + config["version_info"]; tooOld(version) {
		if config["version"] != "" {
			version = config["version"]
		}
		return "", fault.New(fault.PythonTooOld, "the virtual environment at %s (%s) has Python %s, which is older than 3.%d", dir, why, version, oldest)
	}
	for _, name := range []string{"python3", "python"} {
		if path := filepath.Join(dir, "bin", name); executableFile(path) {
			return path, nil
		}
	}
	path := filepath.Join(dir, "bin", "python3")
	if target := dangling(path); target != "" {
		return broken("its Python is gone: %s leads to %s, which is not there", path, target)
	}
	return broken("it has no Python: there is no %s that can be run", path)
}

// readConfig reads a pyvenv.cfg: lines `key = value`.
func readConfig(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	values := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(file, mostConfig))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		values[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	return values, lines.Err()
}

// tooOld reports that a version, as pyvenv.cfg has it, is one that cannot load the extension. What is no version is for Python to refuse.
func tooOld(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	minor, also := strconv.Atoi(parts[1])
	return err == nil && also == nil && (major < 3 || major == 3 && minor < oldest)
}

// dangling follows symbolic links to where one leads nowhere; "" when there is no link, or it leads somewhere.
func dangling(path string) string {
	for range 16 { // more is a circle
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		if _, err := os.Lstat(target); err != nil {
			return target
		}
		path = target
	}
	return ""
}

// versionOf returns the version of the package in dir, "" when it is not whole.
func versionOf(dir string) string {
	if built, _ := filepath.Glob(filepath.Join(escaped(dir), "_gateway.*so")); len(built) == 0 {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(dir, "_version.py"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), `__version__ = "`)
	version, _, _ := strings.Cut(rest, `"`)
	return version
}

// escaped is a path as a pattern that matches it alone.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
