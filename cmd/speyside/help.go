package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/settings"
)

const (
	helpWidth  = 80
	nameColumn = 12 // where the summaries of the commands begin, after two spaces
)

// help is what speyside --help shows.
func help() string {
	var b strings.Builder
	b.WriteString("Usage: speyside [flags] APP\n       speyside COMMAND [flags]\n\n" +
		"Serves a Python WSGI application; shows what a running server does, and tells it\n" +
		"what to do. An application named as a command is speyside serve NAME.\n")
	b.WriteString("\nCommands:\n")
	for _, g := range groups() {
		for _, c := range commands() {
			if c.group == g {
				fmt.Fprintf(&b, "  %-*s%s\n", nameColumn, c.name, strings.Join(wrap(c.summary, helpWidth-nameColumn-2), "\n"+strings.Repeat(" ", nameColumn+2)))
			}
		}
	}
	b.WriteString(settings.Help())
	return b.String()
}

// help is what speyside help COMMAND shows.
func (c *command) help() string {
	var b strings.Builder
	arguments := c.arguments
	flags, _ := c.flags()
	own := flags.HasFlags()
	if own && !strings.Contains(arguments, "[flags]") {
		arguments = strings.TrimSpace(arguments + " [flags]")
	}
	fmt.Fprintf(&b, "Usage: %s\n\n", strings.TrimSpace("speyside "+c.name+" "+arguments))
	b.WriteString(strings.Join(wrap(strings.ToUpper(c.summary[:1])+c.summary[1:]+".", helpWidth), "\n") + "\n")
	if c.about != nil {
		b.WriteString("\n" + c.about() + "\n")
	}
	if own {
		b.WriteString("\nFlags:\n")
		flags.VisitAll(func(f *pflag.Flag) { writeFlag(&b, f) })
	}
	if c.settings {
		b.WriteString(settings.Help())
	}
	return b.String()
}

// writeFlag writes a command's own flag as those of the server are written; `NAME` in its usage is what it takes.
func writeFlag(b *strings.Builder, f *pflag.Flag) {
	short := "    "
	if f.Shorthand != "" {
		short = "-" + f.Shorthand + ", "
	}
	meta, usage := pflag.UnquoteUsage(f)
	if isSwitch(f) {
		meta = ""
	}
	settings.WriteHelp(b, strings.TrimRight("  "+short+"--"+f.Name+" "+meta, " "), usage)
}

// isSwitch reports whether the flag takes no value.
func isSwitch(f *pflag.Flag) bool { return f.Value.Type() == "bool" }

// wrap cuts a text into lines between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
