package main

import (
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

const manualBegin = `.TH SPEYSIDE 1 "" "Speyside %s" "User Commands"
.SH NAME
speyside \- serve a Python WSGI application
.SH SYNOPSIS
.B speyside
.RI [ flags "] " APP
.br
.B speyside
.I COMMAND
.RI [ flags ]
.SH DESCRIPTION
Speyside serves a Python WSGI application (PEP 3333) over HTTP. It runs on the Python and in the virtual environment of the application.
Without a command it serves; an application that is named as a command is
.BR "speyside serve \fINAME" .
`

// manCommand prints the manual page. It is made of the tables of commands, settings and exit codes.
func manCommand(c *call) error {
	if len(c.args) > 0 && (c.args[0] == "-h" || c.args[0] == "--help") {
		return c.help()
	}
	if err := noArguments(c); err != nil {
		return err
	}
	fmt.Fprint(c.stdout, manual())
	return nil
}

func manual() string {
	var b strings.Builder
	fmt.Fprintf(&b, manualBegin, settings.Version)
	b.WriteString(".SH COMMANDS\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roff(strings.TrimSpace(c.name+" "+c.arguments)), roff(capitalized(c.summary)))
		if c.own == nil {
			continue
		}
		for _, o := range c.offers() {
			fmt.Fprintf(&b, ".RS\n.TP\n%s\n%s.\n.RE\n", roffFlag(&o), roff(capitalized(o.says)))
		}
	}
	b.WriteString(".SH FLAGS\nThose of the server. Each is also an environment variable:\n.B SPEYSIDE_WORKERS=2\nis\n.BR \"\\-\\-workers 2\" ;\nand a key of speyside.toml.\n")
	for _, section := range settings.Sections() {
		fmt.Fprintf(&b, ".SS %s\n", roff(string(section)))
		for _, s := range settings.Table() {
			if s.Section == section {
				manualSetting(&b, &s)
			}
		}
	}
	b.WriteString(".SS Other\n")
	for _, o := range settings.Orders() {
		fmt.Fprintf(&b, ".TP\n%s\n%s.\n", roffFlag(&offered{short: o.Short, long: o.Name}), roff(capitalized(o.Says)))
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, exit := range fault.Exits() {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s.\n", exit.Code, roff(capitalized(exit.Text)))
	}
	b.WriteString(".SH SIGNALS\n.TP\n.B TERM, INT\nFinish what was accepted, and end; INT again ends at once, as QUIT does.\n" +
		".TP\n.B HUP\nLoad the application and the configuration again.\n.TP\n.B USR2\nReplace the program by the one on disk.\n" +
		".TP\n.B TTIN, TTOU\nOne worker more, one fewer.\n")
	return b.String()
}

func manualSetting(b *strings.Builder, s *settings.Setting) {
	if s.Positional {
		fmt.Fprintf(b, ".TP\n.I %s\n%s\n", roff(s.Meta), roff(s.Doc))
		return
	}
	o := offerOf(s)
	fmt.Fprintf(b, ".TP\n%s\n%s\n", roffFlag(&o), roff(s.Doc))
	if value := s.DefaultWords(); value != "" {
		fmt.Fprintf(b, "Default: %s.\n", roff(value))
	}
}

// roffFlag is a flag with its value, as the heading of a paragraph.
func roffFlag(o *offered) string {
	var names []string
	for _, name := range o.names() {
		names = append(names, `\fB`+roff(name)+`\fR`)
	}
	text := strings.Join(names, ", ")
	if o.meta != "" {
		text += ` \fI` + roff(o.meta) + `\fR`
	}
	return text
}

// roff is a text as a manual page has it: `words` in backticks are bold, and no line begins with a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "×", `\(mu`, "…", "...", "→", `\(->`).Replace(text)
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		switch {
		case i == 0:
		case i%2 == 1:
			b.WriteString(`\fB`)
		default:
			b.WriteString(`\fR`)
		}
		b.WriteString(part)
	}
	if strings.HasPrefix(b.String(), ".") {
		return `\&` + b.String()
	}
	return b.String()
}

func capitalized(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
