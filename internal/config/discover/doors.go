package discover

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// doors are the files of one directory that have an application by their name.
func (f *finder) doors(dir string) []*candidate {
	var found []*candidate
	for _, door := range []struct {
		file  string
		rank  int
		names []string
	}{
		{"wsgi.py", byWSGI, []string{"application", "app"}},
		{"app.py", byApp, []string{"app", "application"}},
		{"passenger_wsgi.py", byPassenger, []string{"application"}},
	} {
		if c := f.door(path.Join(dir, door.file), door.rank, door.names...); c != nil {
			found = append(found, c)
		}
	}
	if dir != "." {
		if c := f.door(path.Join(dir, "__init__.py"), byPackage, "app", "application"); c != nil {
			found = append(found, c)
		}
	}
	return append(found, f.wsgiFiles(dir)...)
}

// door is the application of one file, or nil.
func (f *finder) door(file string, rank int, names ...string) *candidate {
	m := f.module(file)
	if m == nil {
		return nil
	}
	choice := chooseName(m, names...)
	if choice.expression == "" {
		if rank != byPackage { // of a package it is not expected
			f.remark("%s %s", file, choice.why)
		}
		return nil
	}
	c := &candidate{rank: rank, file: file, imports: m.imports, texts: m.texts}
	source, pythonPath := f.importName(file)
	c.module = strings.TrimSuffix(source, ".py")
	c.App, c.PythonPath, c.Why = source+":"+choice.expression, pythonPath, file+" "+choice.why
	if m.serves {
		c.App, c.PythonPath, c.Why = file, "", file+" starts its server itself"
	}
	return c
}

// importName is how a file is imported: as a module, from the project's directory or with another one on sys.path, or by its path.
func (f *finder) importName(file string) (name, pythonPath string) {
	dir, base := path.Split(file)
	dir = path.Clean(dir)
	module := strings.TrimSuffix(base, ".py")
	if f.isFile(path.Join(dir, "__init__.py")) && dir != "." {
		module = strings.TrimSuffix(strings.ReplaceAll(dir, "/", ".")+"."+module, ".__init__")
		if inner, below := strings.CutPrefix(module, "src."); below && !f.isFile("src/__init__.py") {
			return inner, "src"
		}
		return module, ""
	}
	if dir != "." || f.isFile(path.Join(module, "__init__.py")) { // a package of that name would be imported
		return file, ""
	}
	return module, ""
}

// wsgiFiles are *.wsgi.
func (f *finder) wsgiFiles(dir string) []*candidate {
	var found []*candidate
	for _, file := range f.glob(dir, ".wsgi") {
		m := f.module(file)
		if m == nil {
			continue
		}
		choice := chooseName(m, "application", "app")
		if choice.expression == "" {
			f.remark("%s %s", file, choice.why)
			continue
		}
		found = append(found, &candidate{rank: byFile, file: file, imports: m.imports, texts: m.texts,
			Found: Found{App: file + ":" + choice.expression, Why: file + " " + choice.why}})
	}
	return found
}

func (f *finder) glob(dir, suffix string) []string {
	entries, _ := fs.ReadDir(f.Files, dir)
	var found []string
	for _, e := range entries[:min(len(entries), mostEntries)] {
		if name := e.Name(); strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".") {
			found = append(found, path.Join(dir, name))
		}
	}
	return found
}

// mostStrangers is how many files of other names are looked into for a remark.
const mostStrangers = 50

// strangers remarks on files of the directory itself that have an application, and whose names are not looked for.
func (f *finder) strangers() {
	all := f.glob(".", ".py")
	for _, file := range all[:min(len(all), mostStrangers)] {
		if slices.Contains([]string{"wsgi.py", "app.py", "passenger_wsgi.py", "manage.py", "setup.py", "conftest.py"}, file) {
			continue
		}
		m := f.module(file)
		if m == nil {
			continue
		}
		for _, name := range []string{"app", "application"} {
			root, _, _ := strings.Cut(m.origin(m.names[name]), ".")
			if slices.Contains(frameworks, root) {
				f.remark("%s has %s, and is not looked for: speyside %s:%s", file, name, strings.TrimSuffix(file, ".py"), name)
			}
		}
	}
}

// choice is what a module has for an application: after the colon, and how one can tell; without an expression why there is none.
type choice struct{ expression, why string }

// others are what has an object called app, and is no WSGI application: ASGI, and what is none at all.
var others = map[string]string{"fastapi": "ASGI", "starlette": "ASGI", "quart": "ASGI", "litestar": "ASGI", "blacksheep": "ASGI", "sanic": "ASGI",
	"robyn": "no WSGI", "aiohttp": "no WSGI", "tornado": "no WSGI", "celery": "no WSGI", "typer": "no WSGI", "click": "no WSGI", "aws_cdk": "no WSGI",
	"streamlit": "no WSGI", "dramatiq": "no WSGI", "PyQt5": "no WSGI", "PyQt6": "no WSGI", "PySide6": "no WSGI", "tkinter": "no WSGI"}

// frameworks are those whose applications are told from other objects of that name.
var frameworks = []string{"flask", "bottle", "falcon", "pyramid", "django", "connexion", "hug", "wsgiref"}

// chooseName looks for the names, then for the only object of Flask's class, then for a factory that can be called without arguments.
func chooseName(m *module, names ...string) choice {
	refused := ""
	for _, name := range names {
		b, there := m.names[name]
		if !there {
			continue
		}
		origin := m.origin(b)
		root, _, _ := strings.Cut(origin, ".")
		switch {
		case b.what == aText || b.what == nothing:
			refused = fmt.Sprintf("has %s, which is no application", name)
		case others[root] != "" || strings.HasPrefix(origin, "falcon.asgi"):
			if refused = fmt.Sprintf("has %s, made by %s, which is %s", name, root, others[root]); root == "falcon" {
				refused = fmt.Sprintf("has %s, made by falcon.asgi, which is ASGI", name)
			}
		case b.what == aFunction && b.most == 0 && !b.several:
			return choice{name + "()", "has the function " + name}
		default:
			return choice{name, "has " + name}
		}
	}
	var flasks []string
	for name, b := range m.names {
		if b.what == aCall && m.origin(b) == "flask.Flask" {
			flasks = append(flasks, name)
		}
	}
	if len(flasks) == 1 {
		return choice{flasks[0], "has " + flasks[0] + ", Flask's"}
	}
	if found, why := chooseFactory(m); found != "" || why != "" {
		return choice{found, why}
	}
	switch {
	case refused != "":
		return choice{"", refused}
	case len(flasks) > 1:
		slices.Sort(flasks)
		return choice{"", "has several of Flask's: " + strings.Join(flasks, ", ")}
	}
	if len(names) == 1 {
		return choice{"", "has no " + names[0]}
	}
	return choice{"", "has neither " + names[0] + " nor " + names[1]}
}

func chooseFactory(m *module) (found, why string) {
	for _, name := range []string{"create_app", "make_app"} {
		b, there := m.names[name]
		switch {
		case !there:
		case b.what == aFunction && b.fewest > 0:
			why = fmt.Sprintf("has %s, which cannot be called without arguments", name)
		case b.what == aFunction || b.what == imported:
			return name + "()", "has the factory " + name
		}
	}
	return "", why
}

// origin is the full name of what was called to make a value: flask.Flask.
func (m *module) origin(b binding) string {
	if b.what == imported {
		return ""
	}
	if b.what != aCall {
		return ""
	}
	root, rest, dots := strings.Cut(b.value, ".")
	of := m.names[root]
	if of.what != imported || of.relative {
		return ""
	}
	if dots {
		return of.value + "." + rest
	}
	return of.value
}
