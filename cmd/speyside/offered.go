package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/config/gunicorn"
	"speyside.dev/speyside/internal/settings"
)

// kind is what a shell can offer for a value.
type kind int

// The kinds.
const (
	anything    kind = iota // nothing is offered
	nothing                 // the flag takes no value
	words                   // one of offered.words
	files                   // the path of a file
	directories             // the path of a directory
)

// offered is a flag as completions and the manual page have it.
type offered struct {
	short, long string // without hyphens; either may be empty
	meta        string // what stands for the value
	says        string // a clause
	kind        kind
	words       []string
}

// names are the spellings of the flag.
func (o *offered) names() []string {
	var names []string
	if o.short != "" {
		names = append(names, "-"+o.short)
	}
	if o.long != "" {
		names = append(names, "--"+o.long)
	}
	return names
}

// offers are all flags of the command.
func (c *command) offers() []offered {
	var all []offered
	flags, _ := c.flags()
	flags.VisitAll(func(f *pflag.Flag) {
		meta, usage := pflag.UnquoteUsage(f)
		o := offered{short: f.Shorthand, long: f.Name, meta: meta, says: usage}
		switch {
		case isSwitch(f):
			o.meta, o.kind = "", nothing
		case meta == "PATH" || meta == "FILE":
			o.kind = files
		}
		all = append(all, o)
	})
	if c.foreign != nil {
		all = append(all, c.foreign()...)
	}
	if !c.settings {
		return append(all, offered{short: "h", long: "help", says: "show the help of the command", kind: nothing})
	}
	for _, s := range settings.Table() {
		if !s.Positional {
			all = append(all, offerOf(&s))
		}
	}
	for _, o := range settings.Orders() {
		all = append(all, offered{short: o.Short, long: o.Name, says: o.Says, kind: nothing})
	}
	return all
}

// namesDirectory reports whether the values are directories.
func namesDirectory(s *settings.Setting) bool {
	return slices.Contains([]string{"chdir", "pythonpath", "venv", "tmp_upload_dir"}, s.Name)
}

func offerOf(s *settings.Setting) offered {
	o := offered{short: s.Short, long: s.FlagName(), meta: s.Meta, says: s.HelpText(), words: s.Words()}
	switch {
	case len(o.words) > 0:
		o.kind = words
	case namesDirectory(s):
		o.kind = directories
	case s.Type == settings.Path || s.Meta == "FILE" || s.Meta == "PATH":
		o.kind = files
	}
	return o
}

// gunicornFlags are those of speyside gunicorn.
func gunicornFlags() []offered {
	var all []offered
	for _, row := range gunicorn.Table() {
		var o offered
		for _, flag := range row.Flags {
			switch name := strings.TrimLeft(flag, "-"); {
			case strings.HasPrefix(flag, "--") && o.long == "":
				o.long = name
			case !strings.HasPrefix(flag, "--"):
				o.short = name
			}
		}
		if o.long == "" && o.short == "" {
			continue
		}
		o.says = row.Name
		if row.Action == gunicorn.SwitchOn || row.Action == gunicorn.SwitchOff {
			o.kind = nothing
		}
		all = append(all, o)
	}
	return all
}
