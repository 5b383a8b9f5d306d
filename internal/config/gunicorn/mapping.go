package gunicorn

import (
	"errors"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Note is what an operator should know of a value that was taken otherwise than gunicorn takes it, or not at all.
type Note struct {
	Event   string          // what has become of it
	Setting string          // gunicorn's name
	Source  settings.Source // of the value
	Why     string
	// Ours is the setting of ours that it is about; when that has got its value from elsewhere, the note is void. Empty: none.
	Ours string
}

// Mapping is what was written for gunicorn, as settings of ours.
type Mapping struct {
	Layers   []settings.Layer // one for each of what was given
	Defaults settings.Layer   // gunicorn's, where they are not ours and the application can tell
	Notes    []Note
	Values   map[string]any // of every setting that is no function, gunicorn's defaults among them, as JSON has them

	// LogsRequests reports that the configuration has loggers of Python's own: lines for requests are theirs, not the front's.
	LogsRequests bool

	CheckConfig, PrintConfig bool // it is to be looked at, not served
}

// The events of notes.
const (
	ignored = "setting ignored"
	adapted = "setting adapted"
)

// byDefault is the source of what gunicorn has where nothing is given.
const byDefault settings.Source = "gunicorn's default"

// found is a value that counts, and which of what was given it comes from.
type found struct {
	value any
	given *Value
	layer int
}

// mapper is one Map.
type mapper struct {
	rows   table
	env    func(string) string
	found  map[string]found
	mapped Mapping
	errs   []error
}

// Map turns what was given, the first with precedence, into settings. The environment is asked for what gunicorn's own defaults depend
// on. The error has everything that is wrong, each an occurrence of fault.SettingInvalid or fault.GunicornRefused: see [fault.Each].
func Map(env func(string) string, given ...[]Value) (*Mapping, error) {
	m := mapper{rows: byName(), env: env, found: map[string]found{}}
	m.mapped.Values = map[string]any{}
	for i, values := range given {
		m.mapped.Layers = append(m.mapped.Layers, settings.Layer{})
		for j := range values {
			m.take(i, &values[j])
		}
	}
	for _, row := range Table() {
		if f, ok := m.found[row.Name]; ok {
			m.honour(&row, f)
		} else if row.Kind != Function {
			m.mapped.Values[row.Name] = row.normal()
		}
	}
	for _, name := range []string{"logconfig", "logconfig_dict", "logconfig_json"} {
		row := m.rows[name]
		f, ok := m.found[name]
		_, python := f.value.(class)
		m.mapped.LogsRequests = m.mapped.LogsRequests || ok && (python || !row.isDefault(f.value))
	}
	m.class()
	m.name()
	m.defaults()
	return &m.mapped, errors.Join(m.errs...)
}

// take reads a value; one that does not count is read, too, since gunicorn would refuse it.
func (m *mapper) take(layer int, v *Value) {
	row, ok := m.rows[v.Name]
	if !ok {
		return // a name of the file's own
	}
	value, err := row.read(v)
	if err != nil {
		m.errs = append(m.errs, fault.New(fault.SettingInvalid, "%s is %s (from %s): %w", v.Name, v.Repr, v.Source, err).
			WithHint("docs/migrating-gunicorn.md has every setting of gunicorn and what becomes of it."))
		return
	}
	if _, counts := m.found[v.Name]; !counts {
		m.found[v.Name] = found{value, v, layer}
	}
}

// honour does with one value what its row says.
func (m *mapper) honour(row *Row, f found) {
	if row.Kind != Function {
		m.mapped.Values[row.Name] = asJSON(row, f.value)
	}
	switch row.Treatment {
	case Refused:
		switch {
		case row.isDefault(f.value) && row.Kind != Function:
		case row.Name == "enable_stdio_inheritance" && m.found["daemon"].value != true:
			m.note(ignored, row, f, "", "it has a meaning with daemon alone")
		default:
			m.refuse(row, f, row.Why)
		}
	case Ignored:
		if !row.isDefault(f.value) && row.Kind != Function {
			m.note(ignored, row, f, "", strings.TrimSuffix(strings.ReplaceAll(lowerFirst(row.Why), "`", ""), "."))
		}
	case Same, Mapped:
		m.set(row, f)
	}
}

func (m *mapper) set(row *Row, f found) {
	switch row.Name {
	case "config", "worker_class", "threads", "worker_connections", "default_proc_name":
		return // of more than one value, or of none
	case "check_config":
		m.mapped.CheckConfig = f.value == true
		return
	case "print_config":
		m.mapped.PrintConfig = f.value == true
		return
	case "control_socket_disable":
		if f.value == true {
			m.put(f.layer, "control_socket", f.given.Source, settings.ControlOff)
		}
		return
	}
	if f.value == nil || f.value == "" && row.adapt == nil || len(row.Ours) == 0 {
		return // gunicorn's words for not given; or Python does it
	}
	texts, note := row.texts(f.value)
	if len(texts) == 0 && row.Name == "bind" {
		return
	}
	m.put(f.layer, row.Ours[0], f.given.Source, texts...)
	if note != "" {
		m.note(adapted, row, f, row.Ours[0], note)
	}
}

// put gives a setting of ours its value. What stands there already was put by a value with precedence, or stands for the same.
func (m *mapper) put(layer int, ours string, source settings.Source, texts ...string) {
	m.mapped.Layers[layer][ours] = settings.Given{Texts: texts, Source: source}
}

func (m *mapper) note(event string, row *Row, f found, ours, why string) {
	m.mapped.Notes = append(m.mapped.Notes, Note{Event: event, Setting: row.Name, Source: f.given.Source, Ours: ours, Why: why})
}

// refuse says what stands in the way of a start, and what to do.
func (m *mapper) refuse(row *Row, f found, instead string) {
	m.errs = append(m.errs, fault.New(fault.GunicornRefused, "%s is %s (from %s), which Speyside does not do", row.Name, shown(f.given), f.given.Source).
		WithHint("%s", lowerFirst(instead)))
}

// shown is a value in a message.
func shown(v *Value) string {
	if v.Repr != "" {
		return v.Repr
	}
	return string(v.JSON)
}

// asJSON is a value that Python can be told; what Python alone can have it has from the file.
func asJSON(row *Row, value any) any {
	switch value := value.(type) {
	case class:
		return nil
	case string:
		if number, err := strconv.ParseInt(value, 10, 64); row.Kind == Account && err == nil {
			return number
		}
	}
	return value
}

// name: gunicorn's second choice for the name of the process.
func (m *mapper) name() {
	f, ok := m.found["default_proc_name"]
	if _, named := m.found["proc_name"]; ok && !named && !empty(f.value) {
		m.put(f.layer, "proc_name", f.given.Source, f.value.(string))
	}
}

// defaults are those of gunicorn by which the application could tell the difference. `workers` stands behind WEB_CONCURRENCY.
func (m *mapper) defaults() {
	m.mapped.Defaults = settings.Layer{}
	for ours, text := range map[string]string{"workers": "1", "threads": "1", "preload": "off", "umask": "0", "timeout": "30", "syslog_prefix": "gunicorn."} {
		m.mapped.Defaults[ours] = settings.Given{Texts: []string{text}, Source: byDefault}
	}
}

// number is the value of a setting that is one.
func (m *mapper) number(name string) int64 {
	if f, ok := m.found[name]; ok {
		n, _ := f.value.(int64)
		return n
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(m.env("WEB_CONCURRENCY")), 10, 64); name == "workers" && err == nil {
		return n
	}
	row := m.rows[name]
	n, _ := row.normal().(int64)
	return n
}
