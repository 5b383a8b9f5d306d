package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/config/uwsgi"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// forms are the settings that name a file for uWSGI.
var forms = []struct {
	setting string
	form    uwsgi.Form
}{{"ini", uwsgi.INI}, {"yaml", uwsgi.YAML}, {"json", uwsgi.JSON}}

// forUWSGI is the file for uWSGI that is named on the command line, else in the environment; nil when none is.
func (o *Options) forUWSGI(w *written) (*file, error) {
	for _, where := range []func(setting string) string{
		func(setting string) string { return last(w.line.Given[setting].Texts) },
		func(setting string) string { return strings.TrimSpace(o.Env("SPEYSIDE_" + strings.ToUpper(setting))) },
	} {
		var found *file
		for _, f := range forms {
			name := where(f.setting)
			switch {
			case name == "":
			case found != nil:
				return nil, fault.New(fault.Usage, "one file for uWSGI is read, and two were named: %s and %s", found.name, name)
			default:
				found = &file{name: name, uwsgi: true, form: f.form}
			}
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, nil
}

// flagFor is the flag that reads such a file.
func flagFor(name string) string {
	path, _, _ := strings.Cut(name, ":")
	for _, f := range forms {
		if f.form == uwsgi.FormOf(path) {
			return "--" + f.setting
		}
	}
	return "--config"
}

// last is the one that counts; "" when there is none.
func last(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

// isUWSGI reports whether a name is that of a file for uWSGI: an ini file that has the section it names, or [uwsgi]; and YAML and JSON
// is nothing else here.
func isUWSGI(dir, named string) bool {
	name, section, _ := strings.Cut(named, ":")
	if uwsgi.FormOf(name) != uwsgi.INI {
		return true
	}
	if !strings.HasSuffix(name, ".ini") {
		return false
	}
	f, err := open(dir, name)
	if err != nil || section == "" {
		section = "uwsgi"
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return f != nil && slices.ContainsFunc(strings.Split(string(f.text), "\n"), func(line string) bool {
		return strings.TrimSpace(line) == "["+section+"]"
	})
}

// readUWSGI makes settings of a file for uWSGI, and notes what has no effect.
func (c *Config) readUWSGI(o *Options, w *written, f *file) error {
	named := f.name
	c.File = named
	if len(w.values) > 0 {
		return fault.New(fault.Usage, "--%s is gunicorn's flag, and %s is a file for uWSGI", strings.ReplaceAll(w.values[0].Name, "_", "-"), named)
	}
	world, err := uwsgi.ThisWorld()
	if err != nil {
		return err
	}
	world.Dir, world.Environ = o.Dir, o.Environ
	world.LookupEnv = func(name string) (string, bool) { return lookup(o.Environ, name) }
	read, err := uwsgi.ReadAs(f.form, named, world)
	if err != nil {
		return err
	}
	mapped, unmapped := read.Map(world)
	for _, note := range mapped.Notes {
		c.Notes = append(c.Notes, Note{Text: "option without effect", Warn: true,
			Fields: []any{"option", note.Option.Name, "file", note.Option.Where.String(), "instead", note.Says}})
	}
	if !mapped.Term {
		c.Notes = append(c.Notes, Note{Text: "TERM ends the server", Fields: []any{"file", named, "why", "without die-on-term it reloads uWSGI; here HUP and speyside reload do"}})
	}
	for _, o := range mapped.Kept {
		c.Kept = append(c.Kept, o.Where.String()+": "+o.Name+" = "+o.Value)
	}
	if len(w.fromEnv) > 0 {
		c.Notes = append(c.Notes, Note{Text: "environment variable not used", Warn: true,
			Fields: []any{"variable", gunicorn.CmdArgs, "why", "it is gunicorn's, and " + named + " is a file for uWSGI"}})
	}
	c.warnOfVariables(o.Environ)
	if c.UWSGI, err = json.Marshal(mapped.Payload); err != nil {
		return fault.New(fault.ConfigurationMalformed, "%s: %w", named, err)
	}
	sources := settings.Sources{Flags: w.line.Given, Env: o.Env, Dir: o.Dir, Files: []settings.Layer{mapped.Given}, Defaults: mapped.Defaults}
	if unmapped != nil {
		o.Unnamed = true // what names the application may be what is wrong
	}
	if err := c.complete(*o, &sources); err != nil {
		return errors.Join(unmapped, err)
	}
	c.Settings, err = settings.Resolve(sources)
	return errors.Join(unmapped, err)
}

// lookup finds a variable in an environment; the last counts.
func lookup(environ []string, name string) (string, bool) {
	for _, entry := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
