package settings

import (
	"fmt"
	"strings"
)

const (
	helpWidth  = 80
	helpIndent = 28
)

// Help returns what --help says of the flags, in lines of at most 80 columns.
func Help() string {
	var b strings.Builder
	for _, section := range Sections() {
		fmt.Fprintf(&b, "\n%s:\n", section)
		for i := range table {
			if table[i].Section == section {
				WriteHelp(&b, table[i].helpName(), table[i].helpText())
			}
		}
	}
	b.WriteString("\nOther:\n")
	WriteHelp(&b, "  -h, --help", "show this help")
	WriteHelp(&b, "  -v, --version", "show the version")
	WriteHelp(&b, "      --check-config", "say everything that is wrong with the configuration, load the application, and end")
	WriteHelp(&b, "      --print-config", "show every effective value and where it comes from, and end")
	b.WriteString("\nEach flag is also an environment variable: SPEYSIDE_WORKERS=2 is --workers 2.\n" +
		"Times are seconds, or such as 1m30s.\n")
	return b.String()
}

func (s *Setting) helpName() string {
	switch {
	case s.Positional:
		return "  " + s.Meta
	case s.Short != "":
		return fmt.Sprintf("  -%s, --%s %s", s.Short, s.FlagName(), s.Meta)
	}
	return fmt.Sprintf("      --%s %s", s.FlagName(), s.Meta)
}

func (s *Setting) helpText() string {
	text := strings.ToLower(s.Summary()[:1]) + s.Summary()[1:]
	if strings.HasPrefix(s.Summary(), "Python") || strings.HasPrefix(s.Summary(), "Unix") {
		text = s.Summary()
	}
	if value := s.DefaultWords(); value != "" {
		text += " [" + value + "]"
	}
	return text
}

// DefaultWords returns the default as a reader wants it, or "" when there is none.
func (s *Setting) DefaultWords() string {
	if s.DefaultText != "" {
		return s.DefaultText
	}
	return s.Default
}

// WriteHelp writes name and text in two columns; a name that is too long has a line of its own.
func WriteHelp(b *strings.Builder, name, text string) {
	line := name
	if len(line) > helpIndent-2 {
		b.WriteString(line + "\n")
		line = ""
	}
	for _, word := range strings.Fields(text) {
		switch {
		case len(line) < helpIndent:
			line += strings.Repeat(" ", helpIndent-len(line)) + word
		case len(line)+1+len(word) > helpWidth:
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", helpIndent) + word
		default:
			line += " " + word
		}
	}
	b.WriteString(line + "\n")
}
