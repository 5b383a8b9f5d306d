// Package pasteini reads the files of PasteDeploy, such as Pyramid's development.ini, as far as a server has to: which applications there are, and
// what [server:main] says. Most callers need Parse and Server.
//
// It reads what Python's configparser reads, interpolation included. It loads nothing: the application is loaded by PasteDeploy itself, in Python.
package pasteini

import (
	"fmt"
	"slices"
	"strings"
)

// File is a file that has been read.
type File struct {
	Sections []*Section
}

// Section is one of its sections.
type Section struct {
	Name    string
	Line    int
	Entries []Entry
}

// Entry is one value; it has not been interpolated.
type Entry struct {
	Key, Value string
	Line       int
}

// Error is what is wrong with a file.
type Error struct {
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// parser is a File while it is read.
type parser struct {
	file    *File
	section *Section
	indent  int // of the entry that a line may go on with
	entry   *Entry
}

// Parse reads a file. The error is an *Error.
func Parse(text string) (*File, error) {
	p := parser{file: &File{}}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		if err := p.line(strings.TrimRight(line, "\r\n"), number); err != nil {
			return nil, err
		}
	}
	for _, s := range p.file.Sections {
		for i := range s.Entries {
			s.Entries[i].Value = strings.TrimRight(s.Entries[i].Value, "\n")
		}
	}
	return p.file, nil
}

func (p *parser) line(line string, number int) error {
	text := strings.TrimSpace(line)
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	switch {
	case text == "":
		if p.entry != nil {
			p.entry.Value += "\n"
		}
	case text[0] == '#' || text[0] == ';':
	case p.entry != nil && indent > p.indent:
		p.entry.Value += "\n" + text
	case text[0] == '[':
		end := strings.LastIndexByte(text, ']')
		if end < 2 {
			return &Error{number, "a section has no name, or no closing bracket"}
		}
		return p.begin(text[1:end], number)
	case p.section == nil:
		return &Error{number, "there is something before the first section"}
	default:
		at := strings.IndexAny(text, "=:")
		if at < 1 {
			return &Error{number, "it is neither a section nor NAME = VALUE"}
		}
		return p.add(Entry{Key: strings.TrimSpace(text[:at]), Value: strings.TrimSpace(text[at+1:]), Line: number}, indent)
	}
	return nil
}

func (p *parser) begin(name string, number int) error {
	p.entry = nil
	if other := p.file.Section(name); other != nil {
		if name != "DEFAULT" {
			return &Error{number, fmt.Sprintf("[%s] is there already, in line %d", name, other.Line)}
		}
		p.section = other
		return nil
	}
	p.section = &Section{Name: name, Line: number}
	p.file.Sections = append(p.file.Sections, p.section)
	return nil
}

func (p *parser) add(e Entry, indent int) error {
	if other := p.section.entry(e.Key); other != nil {
		return &Error{e.Line, fmt.Sprintf("%s is there already, in line %d", e.Key, other.Line)}
	}
	p.section.Entries = append(p.section.Entries, e)
	p.entry, p.indent = &p.section.Entries[len(p.section.Entries)-1], indent
	return nil
}

// Section returns the section of that name, or nil.
func (f *File) Section(name string) *Section {
	for _, s := range f.Sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func (s *Section) entry(key string) *Entry {
	for i := range s.Entries {
		if s.Entries[i].Key == key {
			return &s.Entries[i]
		}
	}
	return nil
}

// kinds are the sections that define an application.
var kinds = []string{"app", "application", "composite", "composit", "pipeline", "filter-app"}

// App returns the section of the application of that name, or nil.
func (f *File) App(name string) *Section {
	for _, kind := range kinds {
		for _, s := range f.Sections {
			if own, found := strings.CutPrefix(s.Name, kind+":"); found && strings.TrimSpace(own) == name {
				return s
			}
		}
	}
	if name == "main" { // it may go without saying
		for _, kind := range kinds {
			if s := f.Section(kind); s != nil {
				return s
			}
		}
	}
	return nil
}

// Apps returns the names of the applications.
func (f *File) Apps() []string {
	var names []string
	for _, s := range f.Sections {
		if kind, name, found := strings.Cut(s.Name, ":"); found && slices.Contains(kinds, kind) {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// LooksLike reports that a text, which may be malformed, is a file of PasteDeploy's: it has a section for an application or a server.
func LooksLike(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "[") {
			continue
		}
		kind, _, _ := strings.Cut(strings.Trim(line, "[]"), ":")
		if slices.Contains(kinds, kind) || kind == "server" {
			return true
		}
	}
	return false
}

func (f *File) serverSection(name string) *Section {
	if s := f.Section("server:" + name); s != nil || name != "main" {
		return s
	}
	return f.Section("server")
}

// mostDeep is how often a value may name another.
const mostDeep = 10

// interpolate replaces %(name)s by what the section, [DEFAULT] or the variables say, and %% by %.
func (f *File) interpolate(s *Section, e *Entry, variables map[string]string) (string, error) {
	return f.expand(s, e.Value, e.Line, variables, mostDeep)
}

func (f *File) expand(s *Section, value string, line int, variables map[string]string, most int) (string, error) {
	if most == 0 {
		return "", &Error{line, "the value names itself"}
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(value, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		switch {
		case strings.HasPrefix(rest, "%"):
			b.WriteByte('%')
			value = rest[1:]
		case strings.HasPrefix(rest, "("):
			name, after, ends := strings.Cut(rest[1:], ")s")
			if !ends {
				return "", &Error{line, "%( is not followed by NAME)s"}
			}
			inner, known := f.lookUp(s, name, variables)
			if !known {
				return "", &Error{line, fmt.Sprintf("%%(%s)s is not known", name)}
			}
			text, err := f.expand(s, inner, line, variables, most-1)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			value = after
		default:
			return "", &Error{line, "a % is followed by % or by (NAME)s"}
		}
	}
}

func (f *File) lookUp(s *Section, name string, variables map[string]string) (string, bool) {
	if e := s.entry(name); e != nil {
		return e.Value, true
	}
	if defaults := f.Section("DEFAULT"); defaults != nil { // counts before the variables, as in PasteDeploy
		if e := defaults.entry(name); e != nil {
			return e.Value, true
		}
	}
	value, known := variables[name]
	return value, known
}
