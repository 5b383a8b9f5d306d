package gunicorn

import (
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// Help is what the help of `speyside gunicorn` says of gunicorn's flags, and what each does here, in lines of at most 80 columns.
func Help() string {
	var b strings.Builder
	b.WriteString("It takes the whole command line of gunicorn 27.0, abbreviations too, and has\n" +
		"gunicorn's defaults; docs/migrating-gunicorn.md says what is different.\n")
	for _, s := range sections {
		var lines strings.Builder
		for i := range s.rows {
			s.rows[i].help(&lines)
		}
		if lines.Len() > 0 {
			fmt.Fprintf(&b, "\n%s:\n%s", s.name, lines.String())
		}
	}
	b.WriteString("\nOther:\n")
	settings.WriteHelp(&b, "  -h, --help", "show this help")
	settings.WriteHelp(&b, "  -v, --version", "show the version")
	return strings.TrimSuffix(b.String(), "\n")
}

// help writes the entry of one setting, if it has a flag.
func (r *Row) help(b *strings.Builder) {
	if len(r.Flags) == 0 {
		return
	}
	name := "      " + strings.Join(r.Flags, ", ")
	if len(r.Flags[0]) == len("-w") {
		name = name[len("    "):]
	}
	if r.takesValue() {
		name += " " + r.meta()
	}
	text := string(r.Treatment)
	switch {
	case r.Treatment == Refused:
		text = "not honoured; " + lowerFirst(r.Why)
	case len(r.Ours) > 0 && (r.Treatment == Same || r.Why == ""):
		text = r.oursSummary()
	case r.Why != "":
		text = lowerFirst(r.Why)
		if r.Treatment == Ignored {
			text = "ignored; " + text
		}
	}
	settings.WriteHelp(b, name, strings.TrimSuffix(strings.ReplaceAll(text, "`", ""), "."))
}

func lowerFirst(text string) string {
	for _, kept := range []string{"HTTP", "TLS", "RFC", "Python", "PasteDeploy", "Unix"} {
		if strings.HasPrefix(text, kept) {
			return text
		}
	}
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}

func (r *Row) meta() string {
	if r.Kind == Count {
		return "INT"
	}
	return "VALUE"
}

// oursSummary is what our help says of the setting that the row becomes.
func (r *Row) oursSummary() string {
	for _, s := range settings.Table() {
		if s.Name == r.Ours[0] {
			return lowerFirst(s.Summary())
		}
	}
	return string(r.Treatment)
}
