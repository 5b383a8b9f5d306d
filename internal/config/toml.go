package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// appTable is the table of the application's settings. With several applications it will be an array of tables, each with its own; what
// stands above it counts for all of them, then as now.
const appTable = "app"

// tomlFile is a file in TOML while it is read.
type tomlFile struct {
	path   string   // absolute
	name   string   // as it is called in messages
	under  []string // the table that is ours: tool.speyside of a pyproject.toml
	parser unstable.Parser

	table  []string // of the keys to come
	route  *route   // that the table describes
	routes map[string][]*route

	top, app settings.Layer
	wrong    []error
}

// route is one element of [[route]] or [[app.route]].
type route struct {
	prefix string
	rest   []string // name=value
	source settings.Source
}

// readTOML returns what a file in TOML says, what counts first first. The error has everything that is wrong with it.
func readTOML(path, name string, text []byte, under ...string) ([]settings.Layer, error) {
	f := &tomlFile{path: path, name: name, under: under, top: settings.Layer{}, app: settings.Layer{}, routes: map[string][]*route{}}
	if err := wellFormed(name, text); err != nil {
		return nil, err
	}
	f.parser.Reset(text)
	for f.parser.NextExpression() {
		f.expression(f.parser.Expression())
	}
	if err := f.parser.Error(); err != nil {
		return nil, fault.New(fault.ConfigurationMalformed, "%s: %w", name, err)
	}
	f.finishRoutes()
	return []settings.Layer{f.app, f.top}, errors.Join(f.wrong...)
}

// wellFormed refuses what is no TOML, and keys that are there twice.
func wellFormed(name string, text []byte) error {
	var whole map[string]any
	err := toml.Unmarshal(text, &whole)
	var where *toml.DecodeError
	switch {
	case errors.As(err, &where):
		row, column := where.Position()
		return fault.New(fault.ConfigurationMalformed, "%s:%d:%d: %s", name, row, column, strings.TrimPrefix(where.Error(), "toml: "))
	case err != nil:
		return fault.New(fault.ConfigurationMalformed, "%s: %w", name, err)
	}
	return nil
}

// mayHaveTable reports whether a file in TOML has this table. One that is malformed may: a file that is half written must not count as one
// that says nothing.
func mayHaveTable(text []byte, path ...string) bool {
	var whole map[string]any
	if toml.Unmarshal(text, &whole) != nil {
		return true
	}
	for i, key := range path {
		value, there := whole[key]
		inner, ok := value.(map[string]any)
		if !ok {
			return there && i == len(path)-1 // what is no table will be refused
		}
		whole = inner
	}
	return true
}

func (f *tomlFile) expression(e *unstable.Node) {
	key, line := f.key(e.Key())
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		f.table, f.route = key, nil
		own, ours := f.own(key)
		if ours && e.Kind == unstable.ArrayTable {
			f.beginArray(own, line)
		}
	case unstable.KeyValue:
		f.keyValue(slices.Concat(f.table, key), e.Value(), line)
	}
}

func (f *tomlFile) keyValue(key []string, value *unstable.Node, line int) {
	own, ours := f.own(key)
	switch {
	case ours && f.route != nil:
		f.routeKey(own[len(own)-1], value, line)
	case ours:
		f.entry(own, value, line)
	case value.Kind == unstable.InlineTable && len(key) < len(f.under) && slices.Equal(key, f.under[:len(key)]): // tool = { speyside = … }
		for entries := value.Children(); entries.Next(); {
			inner, line := f.key(entries.Node().Key())
			f.keyValue(slices.Concat(key, inner), entries.Node().Value(), line)
		}
	}
}

func (f *tomlFile) key(parts unstable.Iterator) (key []string, line int) {
	for parts.Next() {
		key = append(key, string(parts.Node().Data))
		if line == 0 {
			line = f.parser.Shape(parts.Node().Raw).Start.Line
		}
	}
	return key, line
}

// own is the key without the table that is ours, and whether it is in there.
func (f *tomlFile) own(key []string) ([]string, bool) {
	if len(key) < len(f.under) || !slices.Equal(key[:len(f.under)], f.under) {
		return nil, false
	}
	return key[len(f.under):], true
}

func (f *tomlFile) at(line int) settings.Source {
	return settings.Source(fmt.Sprintf("%s:%d", f.name, line))
}

func (f *tomlFile) complain(kind *fault.Fault, line int, hint, format string, args ...any) {
	complaint := fault.New(kind, "%s: %s", f.at(line), fmt.Sprintf(format, args...))
	if hint != "" {
		complaint = complaint.WithHint("%s", hint)
	}
	f.wrong = append(f.wrong, complaint)
}

// beginArray is [[route]] or [[app.route]].
func (f *tomlFile) beginArray(key []string, line int) {
	switch scope := strings.Join(key, "."); scope {
	case "route", appTable + ".route":
		f.route = &route{source: f.at(line)}
		f.routes[scope] = append(f.routes[scope], f.route)
	case appTable:
		f.complain(fault.SettingUnknown, line, "write [app]; several applications in one server come later.", "[[app]]: one application is served")
	default:
		f.complain(fault.SettingUnknown, line, "", "there is no [[%s]]", strings.Join(slices.Concat(f.under, key), "."))
	}
}

// entry is one key and its value: `workers`, `app.workers`, or one element of a list, `secure_scheme_headers.X-Y`.
func (f *tomlFile) entry(key []string, value *unstable.Node, line int) {
	layer, inApp := f.top, len(key) > 1 && key[0] == appTable
	if inApp {
		layer, key = f.app, key[1:]
	}
	if !inApp && len(key) == 1 && key[0] == appTable && value.Kind == unstable.InlineTable {
		f.inline(key, value)
		return
	}
	if len(key) == 0 { // all of it in one line: speyside = { workers = 2 }
		f.whole(value, line)
		return
	}
	setting, known := settings.Named(key[0])
	switch {
	case !known || len(key) > 2 || len(key) == 2 && setting.Type != settings.List:
		f.unknown(strings.Join(key, "."), line)
		return
	case inApp && !setting.OfApp():
		f.complain(fault.SettingUnknown, line, "write it above the first table.", "%s belongs to the server and not to an application", setting.Name)
		return
	case setting.NamesFile():
		f.complain(fault.SettingUnknown, line, "", "a file cannot name another one")
		return
	}
	texts, err := f.texts(setting, value)
	if err != nil {
		f.complain(fault.SettingInvalid, line, "", "%s %v", setting.Name, err)
		return
	}
	if len(key) == 2 {
		texts = append(layer[setting.Name].Texts, key[1]+"="+strings.Join(texts, ","))
	}
	if setting.FromShell {
		for i, path := range texts {
			if setting.Name != "python" || strings.ContainsRune(path, filepath.Separator) { // else it is looked up in PATH
				texts[i] = f.besides(path)
			}
		}
	}
	layer[setting.Name] = settings.Given{Texts: texts, Source: f.at(line)}
}

// besides is a path in the file: it starts where the file lies.
func (f *tomlFile) besides(path string) string {
	if filepath.IsAbs(path) || path == "" {
		return path
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

// whole is our table as the value of its key.
func (f *tomlFile) whole(value *unstable.Node, line int) {
	if value.Kind != unstable.InlineTable {
		f.complain(fault.SettingInvalid, line, "", "%s is a table, and was given a value", strings.Join(f.under, "."))
		return
	}
	f.inline(nil, value)
}

// inline is a table on one line: app = { workers = 2 }.
func (f *tomlFile) inline(under []string, table *unstable.Node) {
	for entries := table.Children(); entries.Next(); {
		key, line := f.key(entries.Node().Key())
		f.entry(slices.Concat(under, key), entries.Node().Value(), line)
	}
}

func (f *tomlFile) unknown(name string, line int) {
	hint := ""
	if near := nearest(name); near != "" {
		hint = fmt.Sprintf("did you mean %s? docs/settings.md lists every setting.", near)
	}
	f.complain(fault.SettingUnknown, line, hint, "there is no setting %s", name)
}

// nearest is the setting that was probably meant, or "".
func nearest(name string) string {
	if meant := settings.Meant(name); meant != nil {
		return meant.Name
	}
	var names []string
	for _, s := range settings.Table() {
		names = append(names, s.Name)
	}
	return settings.Nearest(strings.ReplaceAll(name, "-", "_"), names)
}

// texts is a value as an operator would write it on the command line.
func (f *tomlFile) texts(setting settings.Setting, value *unstable.Node) ([]string, error) {
	several := setting.Several()
	switch {
	case value.Kind == unstable.Array && several:
		texts := []string{}
		for elements := value.Children(); elements.Next(); {
			text, err := f.element(setting, elements.Node())
			if err != nil {
				return nil, err
			}
			texts = append(texts, text)
		}
		return texts, nil
	case value.Kind == unstable.InlineTable && setting.Type == settings.List:
		return f.pairs(value)
	case value.Kind == unstable.Array:
		return nil, errors.New("has one value, and was given a list")
	}
	text, err := f.element(setting, value)
	if err != nil || !several {
		return []string{text}, err
	}
	return setting.Split(text), nil
}

// element is a single value.
func (f *tomlFile) element(setting settings.Setting, value *unstable.Node) (string, error) {
	if setting.Type == settings.Routes && value.Kind == unstable.InlineTable {
		return f.inlineRoute(value)
	}
	switch value.Kind {
	case unstable.String:
		return string(value.Data), nil
	case unstable.Integer:
		number, err := strconv.ParseInt(strings.ReplaceAll(string(value.Data), "_", ""), 0, 64)
		return strconv.FormatInt(number, 10), err
	case unstable.Float:
		return strings.ReplaceAll(string(value.Data), "_", ""), nil
	case unstable.Bool:
		if string(value.Data) == "true" {
			return "on", nil
		}
		return "off", nil
	}
	return "", fmt.Errorf("wants a text or a number, and was given %s", article(value.Kind))
}

func article(kind unstable.Kind) string {
	switch kind {
	case unstable.InlineTable:
		return "a table"
	case unstable.Array:
		return "a list"
	}
	return "a date or a time"
}

// pairs is a table as a list of NAME=VALUE.
func (f *tomlFile) pairs(table *unstable.Node) ([]string, error) {
	texts := []string{}
	for entries := table.Children(); entries.Next(); {
		key, _ := f.key(entries.Node().Key())
		text, err := f.element(settings.Setting{}, entries.Node().Value())
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.Join(key, ".")+"="+text)
	}
	return texts, nil
}

func (f *tomlFile) inlineRoute(table *unstable.Node) (string, error) {
	r := &route{}
	for entries := table.Children(); entries.Next(); {
		key, _ := f.key(entries.Node().Key())
		text, err := f.element(settings.Setting{}, entries.Node().Value())
		if err != nil {
			return "", err
		}
		r.put(strings.Join(key, "."), text)
	}
	return r.text(), nil
}

func (f *tomlFile) routeKey(name string, value *unstable.Node, line int) {
	text, err := f.element(settings.Setting{}, value)
	if err != nil {
		f.complain(fault.SettingInvalid, line, "", "%s %v", name, err)
		return
	}
	f.route.put(name, text)
}

func (r *route) put(name, text string) {
	if name == "prefix" {
		r.prefix = text
		return
	}
	r.rest = append(r.rest, name+"="+text)
}

// text is the route as the setting `route` has it.
func (r *route) text() string { return strings.Join(append([]string{r.prefix}, r.rest...), " ") }

func (f *tomlFile) finishRoutes() {
	for scope, layer := range map[string]settings.Layer{"route": f.top, appTable + ".route": f.app} {
		for _, r := range f.routes[scope] {
			given := layer["route"]
			layer["route"] = settings.Given{Texts: append(given.Texts, r.text()), Source: r.source}
		}
	}
}
