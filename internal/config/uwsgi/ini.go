package uwsgi

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"speyside.dev/speyside/internal/fault"
)

// What a configuration may have; a file beyond it is no configuration.
const (
	mostBytes    = 1 << 20 // of one file
	mostOptions  = 10_000
	mostIncluded = 16 // files, one in the other
	mostErrors   = 20 // that are told
)

// reader collects the options of a file and of what it includes.
type reader struct {
	world   World
	file    *File
	first   string // the file that was asked for
	last    string // the file that was read last: `ini = :section` is in it
	chain   []inclusion
	logic   logic
	current inclusion
	errors  []error
}

// inclusion is one file while it is read.
type inclusion struct{ path, section string }

func (r *reader) failed() error {
	if len(r.errors) > mostErrors {
		more := fault.New(fault.ConfigurationMalformed, "%s: and %d more like these", r.file.Name, len(r.errors)-mostErrors)
		return errors.Join(append(r.errors[:mostErrors:mostErrors], more)...)
	}
	return errors.Join(r.errors...)
}

// include reads one section of a file. named is where it was asked for.
func (r *reader) include(form Form, path, section string, named Where) {
	here := inclusion{r.within(path), section}
	for i, before := range r.chain {
		if before == here {
			var names []string
			for _, one := range append(r.chain[i:], here) {
				names = append(names, one.path+":"+one.section)
			}
			r.wrong(named, "files include each other in a circle: %s", strings.Join(names, " → ")).Hint = "take one of these lines out."
			return
		}
	}
	if len(r.chain) == mostIncluded {
		r.wrong(named, "more than %d files include each other, down to %s", mostIncluded, plain(path))
		return
	}
	text, err := readFile(here.path)
	if err != nil {
		r.unreadable(path, named, err)
		return
	}
	r.last = path
	outer := r.current
	r.chain, r.current = append(r.chain, here), here
	if text = r.magic(text, path, section); form == INI {
		r.section(path, section, text)
	} else {
		r.tree(path, section, text, form)
	}
	r.chain, r.current = r.chain[:len(r.chain)-1], outer
}

func (r *reader) unreadable(path string, named Where, err error) {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	if named != (Where{}) {
		r.errors = append(r.errors, fault.New(fault.ConfigurationUnreadable, "%s: reading %s: %w", named, plain(path), err).
			WithHint("relative names start in %s, where speyside was started.", r.world.Dir))
		return
	}
	r.errors = append(r.errors, fault.New(fault.ConfigurationUnreadable, "reading %s: %w", plain(path), err))
}

var (
	errNotRegular = errors.New("it is no regular file")
	errTooLarge   = errors.New("it is larger than 1 MB: no configuration is")
	errBinary     = errors.New("it is no text: it has a byte 0")
	errNotUTF8    = errors.New("it is not encoded as UTF-8")
)

// readFile reads a file that may be anything: a device and a pipe are refused, not waited for.
func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > mostBytes:
		return "", errTooLarge
	case bytes.IndexByte(text, 0) >= 0:
		return "", errBinary
	case !utf8.Valid(text):
		return "", errNotUTF8
	}
	return strings.TrimPrefix(string(text), "\ufeff"), nil
}

const blank = " \t\r"

// section takes the lines of one section.
func (r *reader) section(path, wanted, text string) {
	found, in := []string(nil), ""
	outer := r.logic
	r.logic = logic{}
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		where := Where{path, number}
		line = strings.Trim(line, blank)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[':
			name, closed := strings.CutSuffix(line[1:], "]")
			if !closed {
				r.wrong(where, "%s is no section: a ] is missing", shown(line))
			}
			in = name
			found = append(found, name)
		case in == wanted:
			r.line(line, where)
		}
	}
	r.logic.end(r)
	r.logic = outer
	if !contains(found, wanted) {
		r.noSection(path, wanted, found)
	}
}

func (r *reader) noSection(path, wanted string, found []string) {
	err := r.wrong(Where{File: path}, "there is no section [%s]", plain(wanted))
	switch len(found) {
	case 0:
		err.Hint = "uWSGI's options stand below a line [uwsgi]."
	default:
		err.Hint = plain("it has [" + strings.Join(found, "], [") + "]; write " + path + ":SECTION for another one.")
	}
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

// line takes `name = value`, or a name alone.
func (r *reader) line(line string, where Where) {
	name, value, has := strings.Cut(line, "=")
	o := Option{Name: strings.Trim(name, blank), Value: strings.Trim(value, blank), Where: where}
	o.Bare = !has
	r.option(o)
}

// option takes one that is written in whatever form.
func (r *reader) option(o Option) {
	switch {
	case o.Name == "":
		r.wrong(o.Where, "= %s has no name before it", shown(o.Value))
	case o.Bare && !known(o.Name):
		r.wrong(o.Where, "%s is no option of uWSGI, and has no value", shown(o.Name)).Hint = guess(o.Name)
	default:
		r.logic.take(r, o)
	}
}

// guess is a hint for a name that nobody knows.
func guess(name string) string {
	if near := nearest(name); near != "" {
		return "did you mean " + near + "?"
	}
	return "docs/migrating-uwsgi.md lists every option that means something here."
}

// add takes an option that no condition leaves out.
func (r *reader) add(o Option) {
	if len(r.file.Options) >= mostOptions {
		if len(r.file.Options) == mostOptions {
			r.wrong(o.Where, "there are more than %d options", mostOptions)
			r.file.Options = append(r.file.Options, Option{})
		}
		return
	}
	r.file.Options = append(r.file.Options, o)
	if name, value, ok := strings.Cut(o.Value, "="); ok && isSet(o.Name) {
		r.add(Option{Name: strings.Trim(name, blank), Value: strings.Trim(value, blank), Where: o.Where})
	}
	if isInclude(o.Name) {
		path, section := splitSection(r.expand(o.Value, o.Where), r.last)
		if strings.Contains(path, "://") {
			r.wrong(o.Where, "%s is read from files alone, not from %s", o.Name, shown(path)).Hint = "put what it says into a file."
			return
		}
		r.include(formOf(o.Name, path), path, section, o.Where)
	}
}

// isInclude reports whether an option names another file.
func isInclude(name string) bool {
	switch name {
	case "ini", "include", "inherit", "config", "yaml", "yml", "json", "js":
		return true
	}
	return false
}

// shown is text of a file as it may stand in a message.
func shown(text string) string {
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return plain(text)
}

// plain is a name as it may stand in a message, whole, since its end tells most.
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return '\uFFFD'
		}
		return c
	}, name)
}
