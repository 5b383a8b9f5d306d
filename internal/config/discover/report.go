package discover

import (
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/fault"
)

func (f *finder) remark(format string, args ...any) {
	f.remarks = append(f.remarks, fmt.Sprintf(format, args...))
}

// nothing says what was looked for, and where.
func (f *finder) nothing() error {
	var hint strings.Builder
	hint.WriteString("name it: speyside module:callable, or speyside FILE.py. Looked for FLASK_APP, manage.py, wsgi.py, app.py, *.wsgi, passenger_wsgi.py " +
		"and *.ini with [app:main]")
	switch {
	case f.Shallow:
		hint.WriteString("; not further down, as this is no project's directory")
	case len(f.down) == 0:
		hint.WriteString("; there is no directory further down to look in")
	default:
		fmt.Fprintf(&hint, ", there and in %s", few(f.down))
	}
	hint.WriteString(".")
	for _, remark := range f.remarks {
		hint.WriteString("\n  " + remark)
	}
	return fault.New(fault.Usage, "no application was named, and none was found in %s", f.Dir).WithHint("%s", hint.String())
}

// few lists the first of many.
func few(names []string) string {
	const shown = 8
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// ambiguous lists what may be meant, with what to type for each.
func (f *finder) ambiguous(best []*candidate) error {
	var names, commands []string
	widest := 0
	for _, c := range best {
		names = append(names, c.Named())
		command := f.command(&c.Found)
		commands = append(commands, command)
		widest = max(widest, len(command))
	}
	var hint strings.Builder
	hint.WriteString("name one:")
	for i, c := range best {
		fmt.Fprintf(&hint, "\n  %-*s  # %s", widest, commands[i], c.Why)
	}
	return fault.New(fault.ApplicationAmbiguous, "%d applications were found in %s: %s", len(best), f.Dir, few(names)).WithHint("%s", hint.String())
}

// command is what to type for an application.
func (f *finder) command(found *Found) string {
	words := []string{"speyside"}
	for _, arg := range f.Args {
		words = append(words, quoted(arg))
	}
	if found.Variable != "" {
		words = append(words, "--env", quoted(found.Variable))
	}
	if found.PythonPath != "" {
		words = append(words, "--pythonpath", quoted(found.PythonPath))
	}
	return strings.Join(append(words, quoted(found.Named())), " ")
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-./:=,@%+#", c)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" && word[0] != '#' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
