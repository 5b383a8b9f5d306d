package uwsgi

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Note is an option that has no effect, and what to do instead.
type Note struct {
	Option Option
	Says   string
}

// Config is a configuration in Speyside's terms.
type Config struct {
	Given    settings.Layer // what the file says
	Defaults settings.Layer // uWSGI's, where an application can tell
	Notes    []Note
	Kept     []Option // what the workers do while the file is in use, and no setting can say
	Payload  Payload  // for the workers
	Term     bool     // the file has TERM end the server; without that it reloads uWSGI
}

// Payload is what the workers are told of the file, as JSON.
type Payload struct {
	Options      [][2]string `json:"options"` // name and value
	Static       []Static    `json:"static"`
	StaticIndex  []string    `json:"static_index"`
	StaticSkip   []string    `json:"static_skip"`
	StaticSafe   []string    `json:"static_safe"`
	AddHeader    []string    `json:"add_header"` // Name: value
	DelHeader    []string    `json:"del_header"`
	Import       []string    `json:"import"`
	SharedImport []string    `json:"shared_import"`
	Argv         []string    `json:"argv"`
	Locks        int         `json:"locks"`
	Title        *Title      `json:"title,omitempty"`
}

// Title is how processes are called in lists of them: Before, "zygote" or "worker N", After.
type Title struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// Static is a directory whose files count before the application.
type Static struct {
	Prefix    string `json:"prefix"`
	Directory string `json:"directory"`
	Whole     bool   `json:"whole"` // the prefix is part of the path in the directory
}

// mapping is a file while its options are looked at.
type mapping struct {
	owner   Option // of sockets
	kept    []Option
	file    *File
	world   World
	strict  bool
	given   settings.Layer
	notes   []Note
	payload Payload
	wrong   []error

	app       Option
	appFile   bool
	callable  string
	mounts    []Option
	script    bool // SCRIPT_NAME is the mount's
	sockets   []Option
	protocol  string
	mode      Option // of sockets
	mask      Option
	green     Option
	cheaper   Option   // the fewest workers
	initial   Option   // with cheaper: at the start
	algorithm Option   // by which there are more of them
	quiet     bool     // no line for each request
	only      []string // which have one in spite of that
	onlyFrom  Option   // the last that says so
	accesslog settings.Given
	requests  settings.Given // where the access log goes, if not where the rest does
	ends      bool           // TERM is the end
	titles    titles
}

// mostPayload is how much of a file the workers can be told; it is part of one message.
const mostPayload = 40 << 10

// Map turns the options into settings. The error has everything that is wrong, see [fault.Each]; each is an occurrence of
// fault.ConfigurationMalformed, or of fault.OptionRefused for what would protect or shape the service and cannot be honoured.
func (f *File) Map(world World) (*Config, error) {
	m := &mapping{file: f, world: world, given: settings.Layer{}}
	rows := map[string]*Row{}
	for _, row := range Rows() {
		for _, name := range row.Names {
			rows[name] = &row
		}
	}
	for _, o := range f.Options {
		m.strict = m.strict || o.Name == "strict" && truth(o)
	}
	for _, o := range f.Options {
		m.option(rowOf(rows, o.Name), o)
	}
	m.finish()
	return &Config{Given: m.given, Defaults: m.defaults(), Notes: m.notes, Kept: m.kept, Payload: m.payload, Term: m.ends}, errors.Join(m.wrong...)
}

// rowOf finds the row of a name, that of the longest beginning where it has none of its own.
func rowOf(rows map[string]*Row, name string) *Row {
	if row := rows[name]; row != nil {
		return row
	}
	for n := len(name); n > 0; n-- {
		if row := rows[name[:n]+"*"]; row != nil {
			return row
		}
	}
	return nil
}

func (m *mapping) option(row *Row, o Option) {
	if o.Name == "" {
		return
	}
	m.payload.Options = append(m.payload.Options, [2]string{o.Name, o.Value})
	switch {
	case row == nil && known(o.Name):
		m.note(o, "Speyside has no such thing")
	case row == nil:
		m.unknown(o)
	case row.Treatment == Refused && !off(o):
		m.refuse(o, row.Says)
	case row.Treatment == Listed && !off(o):
		m.note(o, row.Says)
	case row.apply != nil && m.filled(o):
		row.apply(m, o)
		if row.Treatment == Module && !isSet(o.Name) && !isInclude(o.Name) && o.Name != "strict" {
			m.kept = append(m.kept, o)
		}
	}
}

// unknown is a name that uWSGI does not have: with strict an error, else a placeholder, or a mistake.
func (m *mapping) unknown(o Option) {
	near := nearest(o.Name)
	switch {
	case m.strict:
		m.complain(o, "there is no option %s in uWSGI, and the file says strict", shown(o.Name)).Hint = guess(o.Name)
	case m.used(o.Name) || !resembles(o.Name, near):
		return // a placeholder, or a value for the application, which has it in uwsgi.opt
	default:
		m.note(o, "uWSGI has no such option; did you mean "+near+"?")
	}
}

// resembles reports whether two names differ in one place only, by a letter or two. Names of placeholders are near to some option always.
func resembles(name, near string) bool {
	longer, shorter := max(len(name), len(near)), min(len(name), len(near))
	before, after := 0, 0
	for before < shorter && name[before] == near[before] {
		before++
	}
	for after < shorter-before && name[len(name)-1-after] == near[len(near)-1-after] {
		after++
	}
	return shorter > 4 && longer-before-after <= 2
}

// used reports whether a placeholder is of this name.
func (m *mapping) used(name string) bool {
	return slices.Contains(m.file.placeholders, name)
}

// filled reports whether every placeholder of a value has been filled in.
func (m *mapping) filled(o Option) bool {
	if isLogFormat(o.Name) {
		return true
	}
	for _, kind := range []string{"%(", "$("} {
		at := strings.Index(o.Value, kind)
		end := strings.IndexByte(o.Value[max(at, 0):], ')')
		if at < 0 || end < 0 {
			continue
		}
		name := o.Value[at+2 : at+end]
		if kind == "$(" {
			m.complain(o, "%s has $(%s), and there is no such environment variable", o.Name, shown(name)).
				Hint = "set " + shown(name) + ", or write the value."
			return false
		}
		complaint := m.complain(o, "%s has %%(%s), and nothing of that name is in the file", o.Name, shown(name))
		complaint.Hint = "write a line " + shown(name) + " = VALUE, or the value itself."
		return false
	}
	return true
}

func (m *mapping) complain(o Option, format string, args ...any) *fault.Error {
	err := fault.New(fault.ConfigurationMalformed, "%s: %s", o.Where, fmt.Sprintf(format, args...))
	m.wrong = append(m.wrong, err)
	return err
}

func (m *mapping) refuse(o Option, instead string) {
	m.wrong = append(m.wrong, fault.New(fault.OptionRefused, "%s: %s = %s cannot be honoured", o.Where, o.Name, shown(o.Value)).WithHint("%s.", instead))
}

func (m *mapping) note(o Option, says string) {
	for _, n := range m.notes {
		if n.Option.Name == o.Name {
			return // once for each
		}
	}
	m.notes = append(m.notes, Note{o, says})
}

// set gives a setting its value; the last of several counts.
func (m *mapping) set(setting string, o Option, values ...string) {
	for _, value := range values {
		if value == "" {
			m.complain(o, "%s has no value", o.Name)
			return
		}
	}
	m.given[setting] = settings.Given{Texts: values, Source: source(o)}
}

func source(o Option) settings.Source {
	return settings.Source(o.Where.String() + ", " + o.Name)
}

func (m *mapping) within(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(m.world.Dir, name)
}

// text is for an option whose value is that of the setting.
func text(setting string) func(*mapping, Option) {
	return func(m *mapping, o Option) { m.set(setting, o, o.Value) }
}

// appendText is text for an option that may stand several times.
func appendText(setting string) func(*mapping, Option) {
	return func(m *mapping, o Option) {
		m.set(setting, o, append(slices.Clone(m.given[setting].Texts), o.Value)...)
	}
}

// whole is for a number; uWSGI has 0 for none, where a setting has at least 1.
func whole(setting string) func(*mapping, Option) {
	return func(m *mapping, o Option) {
		if n, ok := m.number(o); ok {
			if n == 0 && (setting == "threads" || setting == "workers") {
				n = 1
			}
			m.set(setting, o, strconv.FormatInt(n, 10))
		}
	}
}

func seconds(setting string) func(*mapping, Option) { return whole(setting) }

func megabytes(setting string) func(*mapping, Option) {
	return func(m *mapping, o Option) {
		if n, ok := m.number(o); ok {
			m.set(setting, o, strconv.FormatInt(n, 10)+"MB")
		}
	}
}

func (m *mapping) number(o Option) (int64, bool) {
	n, err := strconv.ParseInt(o.Value, 10, 64)
	if err != nil || n < 0 {
		m.complain(o, "%s is %q: it must be a whole number, 0 or more", o.Name, shown(o.Value))
		return 0, false
	}
	return n, true
}

// keep is for texts that the workers are given.
func keep(where func(*Payload) *[]string) func(*mapping, Option) {
	return func(m *mapping, o Option) {
		list := where(&m.payload)
		*list = append(*list, o.Value)
	}
}

// truth is what an option without a number says: uWSGI takes everything for true but these.
func truth(o Option) bool {
	return !off(o)
}

func off(o Option) bool {
	switch strings.ToLower(o.Value) {
	case "false", "off", "no", "0":
		return true
	}
	return false
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func offOn(off bool) string { return onOff(!off) }
