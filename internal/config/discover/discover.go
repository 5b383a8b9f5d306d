// Package discover finds the application of a project when nobody has named one: Django's by manage.py, Flask's by FLASK_APP, app.py or wsgi.py, that of
// a PasteDeploy file, a .wsgi file. Most callers need Find.
//
// It reads files and executes nothing. It looks in one directory, and where nothing is there one further down; never up. Where several
// applications may be meant it chooses none: the error lists them.
package discover

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// mostBytes is the largest file that is read; mostEntries are those of a directory that are looked at.
const (
	mostBytes   = 1 << 20
	mostEntries = 1000
)

// Options say where to look.
type Options struct {
	Files fs.FS  // the project's directory
	Dir   string // its path, for messages
	Env   func(string) string
	// Shallow keeps to the directory itself: it is no project's, such as / or a home directory.
	Shallow bool
	Args    []string // what was typed after `speyside`, for the commands that an error proposes
}

// Found is an application.
type Found struct {
	App        string // for wsgi_app; empty when Paste is not
	Paste      string // for paste
	PythonPath string // for pythonpath; empty: nothing to add
	Variable   string // NAME=VALUE that the application needs in its environment, for raw_env; empty: none
	Why        string
}

// Named is what to type for it.
func (f *Found) Named() string {
	if f.Paste != "" {
		return f.Paste
	}
	return f.App
}

// Layer is what was found as settings.
func (f *Found) Layer() settings.Layer {
	source := settings.Source("found: " + f.Why)
	layer := settings.Layer{}
	for name, text := range map[string]string{"wsgi_app": f.App, "paste": f.Paste, "pythonpath": f.PythonPath, "raw_env": f.Variable} {
		if text != "" {
			layer[name] = settings.Given{Texts: []string{text}, Source: source}
		}
	}
	return layer
}

// The ranks of candidates that lead to the same application, the best first.
const (
	byManage = iota
	byWSGI   // wsgi.py: Flask looks for it before app.py
	byApp
	byPackage
	byFile // *.wsgi
	byPassenger
	byPaste
)

// candidate is an application that may be meant.
type candidate struct {
	Found
	rank    int
	file    string   // it is in, or named by
	module  string   // of the file; empty: it has none
	also    []string // further modules that are the same application
	imports map[string]bool
	texts   map[string]bool
}

// finder looks through one project.
type finder struct {
	Options
	remarks []string // why something was passed over
	down    []string // the directories further down that were looked at
}

// Find returns the application. The error is a fault.Usage when there is none, or a fault.ApplicationAmbiguous.
func Find(o Options) (*Found, error) {
	f := &finder{Options: o}
	if found := f.flaskApp(); found != nil {
		return found, nil
	}
	candidates := f.lookIn(".")
	if len(candidates) == 0 && !o.Shallow {
		for _, dir := range f.directories() {
			f.down = append(f.down, dir)
			candidates = append(candidates, f.lookIn(dir)...)
		}
	}
	switch best := merge(candidates); len(best) {
	case 0:
		f.strangers()
		return nil, f.nothing()
	case 1:
		return &best[0].Found, nil
	default:
		return nil, f.ambiguous(best)
	}
}

// lookIn returns the candidates of one directory.
func (f *finder) lookIn(dir string) []*candidate {
	var all []*candidate
	all = append(all, f.django(dir)...)
	all = append(all, f.doors(dir)...)
	all = append(all, f.paste(dir)...)
	if dir == "src" {
		for _, inner := range f.subdirectories(dir) {
			if f.isFile(path.Join(inner, "__init__.py")) {
				all = append(all, f.doors(inner)...)
			}
		}
	}
	return all
}

// merge keeps the best of those that lead to the same application: where one imports or names another.
func merge(all []*candidate) []*candidate {
	group := make([]int, len(all))
	for i := range all {
		group[i] = i
	}
	for i, one := range all {
		for j, other := range all {
			if i != j && one.leadsTo(other) {
				from, to := group[i], group[j]
				for k := range group {
					if group[k] == from {
						group[k] = to
					}
				}
			}
		}
	}
	best := map[int]*candidate{}
	var order []int
	for i, c := range all {
		g := group[i]
		if best[g] == nil {
			order = append(order, g)
		}
		if best[g] == nil || c.rank < best[g].rank {
			best[g] = c
		}
	}
	kept := make([]*candidate, 0, len(order))
	for _, g := range order {
		kept = append(kept, best[g])
	}
	return kept
}

// leadsTo reports that c imports the module of another candidate, or names its file.
func (c *candidate) leadsTo(other *candidate) bool {
	if c.imports == nil {
		return false
	}
	if other.rank == byPaste {
		for t := range c.texts {
			if path.Base(t) == path.Base(other.file) {
				return true
			}
		}
		return false
	}
	for _, module := range append([]string{other.module}, other.also...) {
		if module != "" && c.importsModule(module) {
			return true
		}
	}
	return other.rank == byManage && (c.imports["django.core.wsgi"] || c.imports["django"])
}

// importsModule reports that the file imports the module, or something in it, by its full name or relative to its own package.
func (c *candidate) importsModule(module string) bool {
	for name := range c.imports {
		if strings.HasPrefix(name, ".") {
			name = absolute(name, c.module, c.rank == byPackage)
		}
		if name == module || strings.HasPrefix(name, module+".") {
			return true
		}
	}
	return false
}

// absolute is the name of a relative import in a module, which is a package itself or not.
func absolute(name, from string, isPackage bool) string {
	parts := strings.Split(from, ".")
	if !isPackage {
		parts = parts[:len(parts)-1]
	}
	for name = name[1:]; strings.HasPrefix(name, ".") && len(parts) > 0; name = name[1:] {
		parts = parts[:len(parts)-1]
	}
	return strings.Trim(strings.Join(parts, ".")+"."+name, ".")
}

// passedOver are directories that have no application in them, or not the project's.
var passedOver = []string{"node_modules", "tests", "test", "docs", "doc", "examples", "example", "build", "dist", "site-packages", "migrations", "static",
	"templates", "scripts", "bin", "tools", "fixtures", "locale", "media"}

// directories are those one further down that may have the application: not a virtual environment, nor what is hidden.
func (f *finder) directories() []string { return f.subdirectories(".") }

func (f *finder) subdirectories(dir string) []string {
	entries, err := fs.ReadDir(f.Files, dir)
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries[:min(len(entries), mostEntries)] {
		name := e.Name()
		inner := path.Join(dir, name)
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "__") || strings.HasSuffix(name, ".egg-info") || slices.Contains(passedOver, name) {
			continue
		}
		if info, err := fs.Stat(f.Files, inner); err == nil && info.IsDir() && !f.isFile(path.Join(inner, "pyvenv.cfg")) {
			found = append(found, inner)
		}
	}
	return found
}

func (f *finder) isFile(name string) bool {
	info, err := fs.Stat(f.Files, name)
	return err == nil && info.Mode().IsRegular()
}

// text reads a file; false when there is none. One that cannot be read is remarked on.
func (f *finder) text(name string) (string, bool) {
	if !f.isFile(name) { // a pipe would be waited for
		return "", false
	}
	file, err := f.Files.Open(name)
	if err != nil {
		f.remark("%s cannot be read: %v", name, err)
		return "", false
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostBytes+1))
	switch {
	case err != nil:
		f.remark("%s cannot be read: %v", name, err)
		return "", false
	case len(text) > mostBytes:
		f.remark("%s has more than %d bytes", name, mostBytes)
		return "", false
	}
	return string(text), true
}

// module reads a file of Python; nil when there is none.
func (f *finder) module(name string) *module {
	text, ok := f.text(name)
	if !ok {
		return nil
	}
	return read(text)
}

// locate returns the file of a module, looked for in dir; "" when it is not there.
func (f *finder) locate(dir, module string) string {
	base := path.Join(dir, strings.ReplaceAll(module, ".", "/"))
	for _, file := range []string{base + "/__init__.py", base + ".py"} { // as Python does
		if f.isFile(file) {
			return file
		}
	}
	return ""
}
