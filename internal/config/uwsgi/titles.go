package uwsgi

import (
	"cmp"
	"strings"
)

// titles are the options about the names of processes.
type titles struct {
	wanted                bool
	name, master          string // instead of ours
	prefix, spaced, after string
	from                  Option // the last of them
}

// title is an option whose value is kept somewhere of them.
func title(where func(*titles) *string) func(*mapping, Option) {
	return func(m *mapping, o Option) {
		m.titles.wanted, m.titles.from = true, o
		*where(&m.titles) = o.Value
	}
}

// autoTitle is the option without a value.
func autoTitle(m *mapping, o Option) {
	if truth(o) {
		m.titles.wanted, m.titles.from = true, o
	}
}

// finishTitles: the front is called by proc_name, which has no room for words that say nothing; the others by what the workers are told.
func (m *mapping) finishTitles() {
	t := m.titles
	if !t.wanted {
		return
	}
	prefix := t.prefix
	if t.spaced != "" {
		prefix = t.spaced + " "
	}
	m.payload.Title = &Title{Before: prefix + cmp.Or(t.name, "speyside"), After: t.after}
	master := cmp.Or(t.master, t.name, "master")
	if master == "master" && prefix+t.after == "" {
		return // that would be the name of every server
	}
	m.set("proc_name", t.from, strings.TrimSpace(prefix+master+t.after))
}
