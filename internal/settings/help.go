package settings

import (
	"fmt"
	"slices"
	"strings"
)

const (
	helpWidth  = 80
	helpIndent = 28
)

// Order is a flag that is no setting: it asks for something else than a server, and takes no value.
type Order struct{ Short, Name, Says string }

// Orders returns them, in the order of --help.
func Orders() []Order {
	return []Order{
		{"h", "help", "show this help"},
		{"v", "version", "show the version"},
		{"", "check-config", "say everything that is wrong with the configuration, load the application, and end"},
		{"", "print-config", "show every effective value and where it comes from, and end"},
	}
}

// Help returns what --help says of the flags, in lines of at most 80 columns.
func Help() string {
	var b strings.Builder
	for _, section := range Sections() {
		fmt.Fprintf(&b, "\n%s:\n", section)
		for i := range table {
			if table[i].Section == section {
				WriteHelp(&b, table[i].helpName(), table[i].HelpText())
			}
		}
	}
	b.WriteString("\nOther:\n")
	for _, o := range Orders() {
		short := "    "
		if o.Short != "" {
			short = "-" + o.Short + ", "
		}
		WriteHelp(&b, "  "+short+"--"+o.Name, o.Says)
	}
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

// Words are the values that the setting can have, where they are words; a switch is on or off.
func (s *Setting) Words() []string {
	switch {
	case s.Type == Bool:
		return []string{"on", "off"}
	case s.Type == Level:
		return slices.Clone(levelNames)
	}
	return slices.Clone(s.Check.Words)
}

// HelpText is what --help says of the setting.
func (s *Setting) HelpText() string {
	text := s.Summary()
	word, _, _ := strings.Cut(text, " ")
	if proper := word == "Python" || word == "Unix" || strings.ToLower(word[1:]) != word[1:]; !proper {
		text = strings.ToLower(text[:1]) + text[1:]
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
