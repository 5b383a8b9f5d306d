package config

import (
	"fmt"
	"io"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// placeholder stands for an application that another server's configuration does not name.
const placeholder = "module:application"

// unnamed is its source.
const unnamed settings.Source = "nobody"

// Import writes the configuration as a speyside.toml that has the same effect, with comments. What it cannot say stands in comments too.
func (c *Config) Import(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# What %s says, as settings of Speyside: docs/configuration.md. Behind each stands where it is from.\n"+
		"# Values of the environment are those that were there when this was written.\n", comment(c.File))
	for _, note := range c.Notes {
		fmt.Fprintf(&b, "# Note: %s\n", comment(noteText(note)))
	}
	for _, kept := range c.Kept {
		fmt.Fprintf(&b, "# Not here, and lost without %s: %s\n", flagFor(c.File), comment(kept))
	}
	if c.UWSGI != nil {
		fmt.Fprintf(&b, "# Without %s there are no modules uwsgi and uwsgidecorators for the application to import.\n", flagFor(c.File))
	}
	if c.Executed != nil {
		fmt.Fprintf(&b, "# Functions of %s (hooks) are called only where it is named with --config.\n", comment(c.File))
	}
	b.WriteByte('\n')
	var values strings.Builder
	if err := c.Settings.PrintGiven(&values); err != nil {
		return err
	}
	for line := range strings.Lines(values.String()) {
		if strings.HasPrefix(line, "wsgi_app = ") && c.Settings.Source("wsgi_app") == unnamed {
			line = "# wsgi_app = \"module:callable\" # the file names no application: name it here, or on the command line\n"
		}
		b.WriteString(line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// noteText is a note on one line: what has no effect and what to do instead, most often.
func noteText(n Note) string {
	parts := []string{n.Text}
	for i := 0; i+1 < len(n.Fields); i += 2 {
		parts = append(parts, fmt.Sprintf("%v: %v", n.Fields[i], n.Fields[i+1]))
	}
	return strings.Join(parts, "; ")
}

// comment is text as it may stand in a comment of TOML, on one line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
