package uwsgi

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// logic is the condition or the loop that a line stands in. uWSGI has one at a time.
type logic struct {
	began  Option // its first line; no name: none
	holds  bool
	rounds []string // what %(_) is, once for each round of a loop
	body   []Option
}

var (
	conditions = []string{"env", "exists", "file", "dir", "directory", "opt", "reload", "hostname", "plugin"}
	loops      = []string{"for", "for-glob", "for-times", "for-readline"}
)

// condition takes `if-not-env` apart.
func condition(name string) (of string, not, ok bool) {
	of, ok = strings.CutPrefix(name, "if")
	if !ok {
		return "", false, false
	}
	of = strings.TrimPrefix(of, "-")
	of, not = strings.CutPrefix(of, "not-")
	return of, not, slices.Contains(conditions, of)
}

// take puts an option where it belongs: out, into the body of a loop, or among those that count.
func (l *logic) take(r *reader, o Option) {
	of, not, conditional := condition(o.Name)
	ends := o.Name == "endif" || o.Name == "end-if" || o.Name == "endfor" || o.Name == "end-for"
	switch loop := slices.Contains(loops, o.Name); {
	case (conditional || loop) && l.began.Name != "":
		r.wrong(o.Where, "%s stands inside %s of line %d: uWSGI has no such thing", o.Name, l.began.Name, l.began.Where.Line).
			Hint = "end the first one before it, with endif = or endfor =."
	case conditional:
		value, holds := r.holds(of, r.expand(o.Value, o.Where), o)
		*l = logic{began: o, holds: holds != not, rounds: []string{value}}
	case loop:
		*l = logic{began: o, holds: true, rounds: r.rounds(o)}
	case ends && l.began.Name == "":
		r.wrong(o.Where, "%s ends nothing", o.Name)
	case ends:
		ended := *l
		*l = logic{}
		if ended.holds {
			ended.run(r)
		}
	case l.began.Name != "":
		l.body = append(l.body, o)
	default:
		r.add(o)
	}
}

func (l *logic) run(r *reader) {
	for _, round := range l.rounds {
		for _, o := range l.body {
			if len(r.file.Options) > mostOptions { // which has been told
				return
			}
			o.Value = strings.ReplaceAll(o.Value, "%(_)", round)
			r.add(o)
		}
	}
}

// end is called at the end of the file.
func (l *logic) end(r *reader) {
	if l.began.Name != "" {
		r.wrong(l.began.Where, "%s is never ended: the file ends first", l.began.Name).Hint = "write endif = or endfor = where it ends."
	}
}

// holds says whether a condition does, and what %(_) is below it.
func (r *reader) holds(of, value string, o Option) (string, bool) {
	switch of {
	case "env":
		name, wanted, compared := strings.Cut(value, "=")
		got, ok := r.world.LookupEnv(name)
		return got, ok && (!compared || got == wanted)
	case "opt":
		name, wanted, compared := strings.Cut(value, "=")
		for _, before := range r.file.Options {
			if before.Name == name && (!compared || before.Value == wanted) {
				return before.Value, true
			}
		}
		return "", false
	case "exists", "file", "dir", "directory":
		info, err := os.Stat(r.within(value))
		switch {
		case err != nil:
			return value, false
		case of == "file":
			return value, info.Mode().IsRegular()
		case of == "exists":
			return value, true
		}
		return value, info.IsDir()
	case "hostname":
		return value, value == r.world.Hostname
	case "plugin":
		return value, pluginThere(value)
	}
	return value, false // if-reload: the file is read at a start, each time
}

// rounds are what a loop goes through.
func (r *reader) rounds(o Option) []string {
	value := r.expand(o.Value, o.Where)
	switch o.Name {
	case "for-times":
		times, err := strconv.Atoi(value)
		if err != nil || times < 0 || times > mostOptions {
			r.wrong(o.Where, "for-times is %s: it must be a number up to %d", shown(value), mostOptions)
			return nil
		}
		rounds := make([]string, times)
		for i := range rounds {
			rounds[i] = strconv.Itoa(i + 1)
		}
		return rounds
	case "for-glob":
		found, err := filepath.Glob(r.within(value))
		if err != nil {
			r.wrong(o.Where, "for-glob is %s: %v", shown(value), err)
		}
		return found
	case "for-readline":
		text, err := readFile(r.within(value))
		if err != nil {
			r.unreadable(value, o.Where, err)
		}
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	return strings.Fields(value)
}

// pluginThere reports whether what a plugin of uWSGI does is done here without one.
func pluginThere(name string) bool {
	return name == "http" || name == "cheaper_busyness" || strings.HasPrefix(name, "python")
}
