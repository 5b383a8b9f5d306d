package discover

import (
	"path"
	"slices"
	"strings"
)

const (
	settingsVariable = "DJANGO_SETTINGS_MODULE"
	djangoFactory    = "django.core.wsgi:get_wsgi_application()"
	mostStars        = 8 // settings that import settings
)

// django is the application of the project whose manage.py is in dir.
func (f *finder) django(dir string) []*candidate {
	manage := path.Join(dir, "manage.py")
	m := f.module(manage)
	if m == nil {
		return nil
	}
	settings, names := f.Env(settingsVariable), settingsVariable+" is"
	if settings == "" {
		if len(m.settings) == 0 {
			f.remark("%s sets no %s", manage, settingsVariable)
			return nil
		}
		settings, names = m.settings[0], manage+" names"
		if slices.ContainsFunc(m.settings, func(other string) bool { return other != settings }) {
			f.remark("%s sets %s to one of several: %s", manage, settingsVariable, strings.Join(m.settings, ", "))
			return nil
		}
	}
	c := &candidate{rank: byManage, file: manage, Found: Found{PythonPath: below(dir)}, also: []string{settings}}
	f.djangoApp(c, dir, settings, names+" "+settings)
	if c.App == djangoFactory {
		c.Variable = settingsVariable + "=" + settings
	} else {
		c.module, _, _ = strings.Cut(c.App, ":")
	}
	return []*candidate{c}
}

// below is dir as an entry of sys.path; empty for the project's own, which is one already.
func below(dir string) string {
	if dir == "." {
		return ""
	}
	return dir
}

// djangoApp completes the candidate with the application and the reason.
func (f *finder) djangoApp(c *candidate, dir, settings, named string) {
	value, known := f.wsgiApplication(dir, settings, mostStars)
	switch {
	case known && value.what == aText && strings.Contains(value.value, "."):
		dot := strings.LastIndexByte(value.value, '.')
		c.App = value.value[:dot] + ":" + value.value[dot+1:]
		c.Why = named + ", whose WSGI_APPLICATION it is"
		return
	case known && value.what == nothing:
		c.App, c.Why = djangoFactory, named+", whose WSGI_APPLICATION is None"
		return
	}
	why := " has no WSGI_APPLICATION"
	switch {
	case known:
		why = " reckons its WSGI_APPLICATION"
	case f.locate(dir, settings) == "":
		why = " is not in the project"
	}
	for package_ := settings; strings.Contains(package_, "."); {
		package_ = package_[:strings.LastIndexByte(package_, '.')]
		if f.isFile(path.Join(dir, strings.ReplaceAll(package_, ".", "/"), "wsgi.py")) {
			c.App = package_ + ".wsgi:application"
			c.Why = named + ", which" + why + "; " + path.Join(dir, strings.ReplaceAll(package_, ".", "/"), "wsgi.py") + " is there"
			return
		}
	}
	c.App, c.Why = djangoFactory, named+", which"+why
}

// wsgiApplication is what WSGI_APPLICATION is in a module of settings, or in those that it imports whole.
func (f *finder) wsgiApplication(dir, settings string, most int) (binding, bool) {
	file := f.locate(dir, settings)
	if file == "" || most == 0 {
		return binding{}, false
	}
	m := f.module(file)
	if m == nil {
		return binding{}, false
	}
	if value, there := m.names["WSGI_APPLICATION"]; there {
		if value.several {
			value.what = something
		}
		return value, true
	}
	for _, star := range slices.Backward(m.stars) { // the last counts
		if strings.HasPrefix(star, ".") {
			star = absolute(star, settings, path.Base(file) == "__init__.py")
		}
		if value, known := f.wsgiApplication(dir, star, most-1); known {
			return value, true
		}
	}
	return binding{}, false
}
