package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"speyside.dev/speyside/internal/config/discover"
	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/config/pasteini"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// complete adds to the sources what they do not say and the project does: the application, when nobody has named one, and what its PasteDeploy file says of the server.
func (c *Config) complete(o Options, sources *settings.Sources) error {
	which, named, err := sources.Application()
	if err != nil {
		return err
	}
	dir := projectDir(o.Dir, sources)
	if info, err := os.Stat(dir); which == "" && (o.Unnamed || err != nil || !info.IsDir()) { // chdir that is none is complained of later
		pretend(sources)
		return nil
	}
	if which == "" {
		if c.Found, err = discover.Find(discover.Options{Files: os.DirFS(dir), Dir: dir, Env: environment(o.Env, sources), Shallow: isNoProject(dir), Args: o.Args}); err != nil {
			pretend(sources)
			_, besides := settings.Resolve(*sources)
			return errors.Join(besides, err)
		}
		c.take(sources)
		which, named, err = sources.Application()
	}
	if which == "paste" {
		return c.readPaste(o.Env, dir, named.Texts[len(named.Texts)-1], sources)
	}
	return err
}

// environment is that of the application: what raw_env says, else what there is.
func environment(env func(string) string, sources *settings.Sources) func(string) string {
	set := sources.Find("raw_env").Texts
	return func(name string) string {
		for _, variable := range slices.Backward(set) {
			if value, found := strings.CutPrefix(variable, name+"="); found {
				return value
			}
		}
		return env(name)
	}
}

// pretend has the sources name an application.
func pretend(sources *settings.Sources) {
	defaults := settings.Layer{}
	maps.Copy(defaults, sources.Defaults)
	sources.Defaults = defaults
	defaults["wsgi_app"] = settings.Given{Texts: []string{placeholder}, Source: unnamed}
}

// projectDir is where the application is: chdir, which starts where the program was started.
func projectDir(dir string, sources *settings.Sources) string {
	given := sources.Find("chdir").Texts
	if len(given) == 0 {
		return dir
	}
	if chdir := given[len(given)-1]; filepath.IsAbs(chdir) {
		return filepath.Clean(chdir)
	} else {
		return filepath.Join(dir, chdir)
	}
}

// isNoProject reports that dir has projects in it rather than being one.
func isNoProject(dir string) bool {
	home, err := os.UserHomeDir()
	return dir == string(filepath.Separator) || err == nil && filepath.Clean(home) == dir
}

// take adds what was found to the sources.
func (c *Config) take(sources *settings.Sources) {
	layer := c.Found.Layer()
	for _, name := range []string{"pythonpath", "raw_env"} { // what was given counts, too
		given := sources.Find(name)
		if found, needed := layer[name]; needed && given.Source != settings.SourceDefault {
			sources.Flags = maps.Clone(sources.Flags)
			sources.Flags[name] = settings.Given{Texts: slices.Concat(given.Texts, found.Texts), Source: given.Source}
		}
	}
	sources.Files = append(sources.Files, layer)
}

// readPaste adds what [server:main] of a PasteDeploy file says, after everything else.
func (c *Config) readPaste(env func(string) string, dir, named string, sources *settings.Sources) error {
	name, app, _ := strings.Cut(strings.TrimPrefix(named, "config:"), "#")
	f, err := open(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.ConfigurationUnreadable, "there is no file %s", name).WithHint("the directory is %s.", dir)
	}
	if err != nil {
		return err
	}
	ini, err := pasteini.Parse(string(f.text))
	if err != nil {
		return fault.New(fault.ConfigurationMalformed, "%s: %w", name, err)
	}
	if app == "" {
		app = "main"
	}
	if ini.App(app) == nil {
		return fault.New(fault.PasteUnknown, "%s has no application named %s", name, app).WithHint("%s", pasteHint(ini, name))
	}
	variables := map[string]string{"here": filepath.Dir(f.path), "__file__": f.path}
	for _, text := range sources.Find("paste_global").Texts {
		if variable, value, found := strings.Cut(text, "="); found {
			variables[variable] = value
		}
	}
	server, err := ini.Server(name, variables)
	if err != nil {
		return fault.New(fault.ConfigurationMalformed, "%s: %w", name, err)
	}
	if server == nil {
		return nil
	}
	sources.Files = append(sources.Files, server.Layer)
	if len(server.Gunicorn) > 0 {
		err = c.takeGunicorn(env, name, server, sources)
	}
	if len(server.Rest) > 0 {
		c.Notes = append(c.Notes, Note{Text: "settings of another server not used", Fields: []any{"file", name, "section", "server:main", "of", server.Use,
			"settings", strings.Join(server.Rest, ", ")}, Warn: true})
	}
	return err
}

// takeGunicorn adds what a section for gunicorn says: it means what it means in gunicorn.conf.py, and the same of it stops the start. Functions cannot be written there as such.
func (c *Config) takeGunicorn(env func(string) string, name string, server *pasteini.Server, sources *settings.Sources) error {
	rows := map[string]gunicorn.Row{}
	for _, row := range gunicorn.Table() {
		rows[row.Name] = row
	}
	var values []gunicorn.Value
	var wrong []error
	for _, e := range server.Gunicorn {
		row, known := rows[e.Key]
		source := settings.Source(fmt.Sprintf("%s:%d", name, e.Line))
		text, err := json.Marshal(e.Value)
		switch {
		case err != nil || !known || e.Key == "config":
			server.Rest = append(server.Rest, fmt.Sprintf("%s (line %d)", e.Key, e.Line))
		case row.Kind == gunicorn.Function:
			wrong = append(wrong, fault.New(fault.GunicornRefused, "%s is %s (from %s), and hooks are not called from there", e.Key, e.Value, source).
				WithHint("move it to a gunicorn.conf.py."))
		default:
			values = append(values, gunicorn.Value{Name: e.Key, JSON: text, Repr: e.Value, Type: "str", Source: source})
		}
	}
	mapping, err := gunicorn.Map(env, values)
	sources.Files = append(sources.Files, mapping.Layers...)
	if sources.Defaults == nil {
		sources.Defaults = mapping.Defaults
	}
	for _, n := range mapping.Notes {
		if n.Ours == "" || sources.Find(n.Ours).Source == n.Source {
			c.Notes = append(c.Notes, Note{Text: n.Event, Fields: []any{"setting", n.Setting, "from", string(n.Source), "why", n.Why}})
		}
	}
	return errors.Join(append(wrong, err)...)
}

func pasteHint(ini *pasteini.File, name string) string {
	apps := ini.Apps()
	if len(apps) == 0 {
		return "an application is a section such as [app:main]."
	}
	each := make([]string, 0, len(apps))
	for _, app := range apps {
		each = append(each, fmt.Sprintf("%s#%s", name, app))
	}
	return "it has " + strings.Join(each, ", ") + "."
}
