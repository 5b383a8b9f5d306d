package discover

import (
	"path"
	"strings"
)

// flaskApp is what FLASK_APP names, in the environment or in .flaskenv or .env.
func (f *finder) flaskApp() *Found {
	named, where := f.variable("FLASK_APP")
	if named == "" {
		return nil
	}
	source, expression := named, ""
	if colon := strings.IndexByte(named, ':'); colon > 0 {
		source, expression = strings.TrimSpace(named[:colon]), strings.TrimSpace(named[colon+1:])
	}
	why := "FLASK_APP is " + named + where
	if file := f.flaskFile(source); file != "" {
		m := f.module(file)
		if strings.Contains(source, "/") {
			source = file
		}
		if m != nil {
			var how string
			if expression, how = flaskExpression(m, expression); how != "" {
				why += ", " + how
			}
		}
	}
	if expression != "" {
		expression = ":" + expression
	}
	return &Found{App: source + expression, Why: why}
}

// flaskFile is the file of a module or of a path, with or without .py; "" when it is not in the project.
func (f *finder) flaskFile(source string) string {
	if strings.Contains(source, "/") || strings.HasSuffix(source, ".py") {
		source = strings.TrimPrefix(source, strings.TrimSuffix(f.Dir, "/")+"/")
		source = path.Clean(source)
		for _, file := range []string{source, source + ".py", source + "/__init__.py"} {
			if f.isFile(file) {
				return file
			}
		}
		return ""
	}
	return f.locate(".", source)
}

// flaskExpression is what Flask takes of a module: the name that was given, called when it is a function, else what it finds.
func flaskExpression(m *module, expression string) (found, why string) {
	switch {
	case strings.Contains(expression, "("):
		return expression, ""
	case expression != "":
		if b := m.names[expression]; b.what == aFunction || b.what == imported && isFactory(expression) {
			return expression + "()", expression + " is called"
		}
		return expression, ""
	}
	choice := chooseName(m, "app", "application")
	return choice.expression, choice.why
}

// variable is what an environment variable is, or will be when Flask has read its files, and where.
func (f *finder) variable(name string) (value, where string) {
	if value = strings.TrimSpace(f.Env(name)); value != "" {
		return value, ""
	}
	for _, file := range []string{".env", ".flaskenv"} {
		text, _ := f.text(file)
		if value = dotenv(text, name); value != "" {
			return value, ", says " + file
		}
	}
	return "", ""
}

func isFactory(name string) bool { return name == "create_app" || name == "make_app" }

// dotenv is the value of a variable in a file of NAME=VALUE lines.
func dotenv(text, variable string) (value string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
		name, rest, found := strings.Cut(line, "=")
		if !found || strings.TrimSpace(name) != variable {
			continue
		}
		rest = strings.TrimSpace(rest)
		if len(rest) > 1 && (rest[0] == '"' || rest[0] == '\'') {
			if end := strings.IndexByte(rest[1:], rest[0]); end >= 0 {
				value = rest[1 : end+1]
				continue
			}
		}
		rest, _, _ = strings.Cut(rest, " #")
		value = strings.TrimSpace(rest)
	}
	return value
}
