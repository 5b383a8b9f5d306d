package main

import (
	"io"
	"os"
	"regexp"
)

// ink colours what a person reads: on a terminal, unless NO_COLOR is set or the terminal is a dumb one. Colours say nothing that the words do not.
type ink bool

// inkFor is the ink for what is written to w.
func inkFor(w io.Writer, env func(string) string) ink {
	file, is := w.(*os.File)
	if !is || env("NO_COLOR") != "" || env("TERM") == "dumb" || env("TERM") == "" {
		return false
	}
	info, err := file.Stat()
	return ink(err == nil && info.Mode()&os.ModeCharDevice != 0)
}

func (i ink) in(colour, text string) string {
	if !i {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (i ink) bold(text string) string { return i.in("1", text) }
func (i ink) red(text string) string  { return i.in("1;31", text) }
func (i ink) cyan(text string) string { return i.in("36", text) }

var (
	heading   = regexp.MustCompile(`(?m)^(?:Usage:|[A-Z][a-z]+(?: [a-z]+)*:$)`)
	helpEntry = regexp.MustCompile(`(?m)^( {2,6})((?:-\w, )?--[\w-]+|[a-z]+)( |$)`)
)

// help colours the headings and the names of a help.
func (i ink) help(text string) string {
	if !i {
		return text
	}
	text = helpEntry.ReplaceAllString(text, "$1"+i.cyan("$2")+"$3")
	return heading.ReplaceAllStringFunc(text, i.bold)
}
