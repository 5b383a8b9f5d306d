// Package uwsgi reads uWSGI's files, in their forms ini, YAML and JSON, and says what their options are here. Most callers need Read, which follows includes,
// placeholders and conditions as uWSGI does, and [File.Map], which turns the options into settings by one table; Rows is that table.
//
// It changes nothing and starts nothing, and it refuses what would run a program while the file is read. Options that protect or
// shape the service are honoured, or they are an error that says what to do instead; the rest is listed.
package uwsgi

import (
	_ "embed"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Where is a place in a file; its Line is 0 for what the environment says.
type Where struct {
	File string
	Line int
}

func (w Where) String() string {
	if w.Line == 0 {
		return plain(w.File)
	}
	return plain(w.File) + ":" + strconv.Itoa(w.Line)
}

// Option is one option as it counts: included, its placeholders filled in.
type Option struct {
	Name, Value string
	Bare        bool // no value was written
	Where       Where
}

// File is a configuration with everything that it includes.
type File struct {
	Name    string // as it was given, without its section
	Options []Option

	placeholders []string // the names in %(…), wherever
}

// World is what a file may ask about where it is read.
type World struct {
	LookupEnv func(name string) (string, bool)
	Environ   []string // NAME=VALUE, for uWSGI's own variables
	Dir       string   // absolute; relative names start there
	CPUs      int
	Hostname  string
	User      user.User
	Group     string
	Now       time.Time
	Umask     int // of this process
}

// ThisWorld is where this process runs.
func ThisWorld() (World, error) {
	dir, err := os.Getwd()
	if err != nil {
		return World{}, fault.New(fault.ConfigurationUnreadable, "finding the current directory: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return World{}, fault.New(fault.ConfigurationUnreadable, "finding the name of this host: %w", err)
	}
	w := World{LookupEnv: os.LookupEnv, Environ: os.Environ(), Dir: dir, CPUs: runtime.NumCPU(), Hostname: host, Now: time.Now(), Umask: umask()}
	w.User.Uid, w.User.Gid = strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	w.User.Username, w.Group = w.User.Uid, w.User.Gid // as uWSGI does for numbers without names
	if known, err := user.LookupId(w.User.Uid); err == nil {
		w.User.Username = known.Username
	}
	if known, err := user.LookupGroupId(w.User.Gid); err == nil {
		w.Group = known.Name
	}
	return w, nil
}

// umask is what files are made without by this process; the kernel tells it without changing it.
func umask() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o022
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "Umask:"); ok {
			if mask, err := strconv.ParseInt(strings.TrimSpace(text), 8, 32); err == nil {
				return int(mask)
			}
		}
	}
	return 0o022
}

//go:embed options.txt
var optionNames string

// known reports whether uWSGI, or one of its plugins, has an option of this name.
func known(name string) bool {
	_, found := slices.BinarySearch(knownNames(), name)
	return found
}

// knownNames are all names of options, sorted.
func knownNames() []string { return strings.Fields(optionNames) }

// nearest is the option that was probably meant, or "".
func nearest(name string) string { return settings.Nearest(name, knownNames()) }

// Read reads `file` or `file:section`, the section being uwsgi where none is given. The error has everything that is wrong, see
// [fault.Each]; each is an occurrence of fault.ConfigurationUnreadable or fault.ConfigurationMalformed.
func Read(name string, world World) (*File, error) {
	path, _ := splitSection(name, "")
	return ReadAs(FormOf(path), name, world)
}

// ReadAs reads a file of which it is known how it is written.
func ReadAs(form Form, name string, world World) (*File, error) {
	path, section := splitSection(name, "")
	r := &reader{world: world, file: &File{Name: path}, first: path}
	for _, variable := range world.Environ {
		r.environment(variable)
	}
	r.include(form, path, section, Where{})
	r.expandAll()
	return r.file, r.failed()
}

// environment takes UWSGI_NAME=VALUE of the environment, which uWSGI reads before the file.
func (r *reader) environment(variable string) {
	name, value, _ := strings.Cut(variable, "=")
	option, ours := strings.CutPrefix(name, "UWSGI_")
	option = strings.ReplaceAll(strings.ToLower(option), "_", "-")
	if ours && value != "" && known(option) {
		r.file.Options = append(r.file.Options, Option{Name: option, Value: value, Where: Where{File: "environment variable " + name}})
	}
}

// splitSection takes `file:section` apart; `:section` is in the file that was read last.
func splitSection(name, last string) (path, section string) {
	path, section = name, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.Contains(name[i:], "/") {
		path, section = name[:i], name[i+1:]
	}
	if path == "" {
		path = last
	}
	if section == "" {
		section = "uwsgi"
	}
	return path, section
}

// wrong notes what is wrong with a place; the reading goes on, so that everything is told at once.
func (r *reader) wrong(where Where, format string, args ...any) *fault.Error {
	err := fault.New(fault.ConfigurationMalformed, "%s: %s", where, fmt.Sprintf(format, args...))
	r.errors = append(r.errors, err)
	return err
}

// within makes a name absolute: relative ones start where the program was started, as in uWSGI.
func (r *reader) within(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(r.world.Dir, name)
}
