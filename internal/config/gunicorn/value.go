package gunicorn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// Value is what a configuration file, or a command line, says of one setting.
type Value struct {
	Name   string
	JSON   json.RawMessage // nil when JSON has no such thing
	Repr   string          // as Python shows it
	Type   string          // Python's name for its type
	Source settings.Source // such as gunicorn.conf.py:7, or --workers
}

// class stands for a value that Python alone can have: a class, or what makes one.
type class struct{ repr string }

// read returns the value in the form that gunicorn gives it: nil for None, else a string, int64, bool, []string, map[string]any or
// class. The error says what it must be.
func (r *Row) read(v *Value) (any, error) {
	var value any
	if v.JSON != nil {
		decoder := json.NewDecoder(bytes.NewReader(v.JSON))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("it cannot be read: %w", err)
		}
	} else if r.Kind != Class && r.Kind != Function && r.Kind != Anything && r.Kind != Dict {
		switch v.Type {
		case "str", "list", "tuple", "set", "dict": // JSON has these, unless there is something in it, or too much
			return nil, fmt.Errorf("it must be %s, and not larger than 40 kB", says[r.Kind])
		}
		return nil, fmt.Errorf("it must be %s, and it is of type %s", says[r.Kind], v.Type)
	}
	switch r.Kind {
	case Class:
		if text, ok := value.(string); ok || value == nil && v.JSON != nil {
			return orNil(text, ok), nil
		}
		return class{v.Repr}, nil
	case Function, Anything:
		return value, nil
	case Dict:
		switch {
		case v.Type != "dict" || v.JSON != nil:
		case r.adapt != nil:
			return nil, errors.New("its names and values must be texts")
		default:
			return class{v.Repr}, nil // Python has it, and nobody here asks what is in it
		}
	case Switch, Count:
		if b, ok := value.(bool); ok && r.Kind == Count {
			return int64(map[bool]int{true: 1}[b]), nil
		}
	}
	if value, ok := readers[r.Kind](value); ok {
		return value, nil
	}
	return nil, fmt.Errorf("it must be %s", says[r.Kind])
}

func orNil(text string, ok bool) any {
	if !ok {
		return nil
	}
	return strings.TrimSpace(text)
}

// says is what a value of the kind must be.
var says = map[Kind]string{
	Text: "a text", Count: "an integer from 0", Switch: "True or False", TextOrSwitch: "a text", Texts: "a list of texts",
	Commas: "a text, with commas between its parts", Dict: "a dictionary", Account: "a name or a number",
}

// readers read what JSON has for each kind, and say whether gunicorn would take it.
var readers = map[Kind]func(value any) (any, bool){
	Text: readText, Count: readCount, Switch: readSwitch, Texts: readTexts, Commas: readCommas,
	TextOrSwitch: func(value any) (any, bool) {
		if b, ok := value.(bool); ok {
			return strconv.FormatBool(b), true
		}
		return readText(value)
	},
	Dict: func(value any) (any, bool) {
		dict, ok := value.(map[string]any)
		return dict, ok
	},
	Account: func(value any) (any, bool) {
		if number, ok := value.(json.Number); ok {
			return number.String(), true
		}
		return readText(value)
	},
}

func readText(value any) (any, bool) {
	if value == nil {
		return nil, true
	}
	text, ok := value.(string)
	return strings.TrimSpace(text), ok
}

// readCount takes what int(text, 0) of Python takes, and as its flags do a decimal with zeros in front.
func readCount(value any) (any, bool) {
	text := ""
	switch value := value.(type) {
	case json.Number:
		text = value.String()
	case string:
		text = strings.TrimSpace(value)
	}
	number, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		number, err = strconv.ParseInt(text, 10, 64)
	}
	return number, err == nil && number >= 0
}

func readSwitch(value any) (any, bool) {
	switch value := value.(type) {
	case nil, bool:
		return value, true
	case string:
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return nil, false
}

func readTexts(value any) (any, bool) {
	switch value := value.(type) {
	case string:
		if value == "" {
			return []string{}, true
		}
		return []string{strings.TrimSpace(value)}, true
	case []any:
		texts := []string{}
		for _, item := range value {
			text, ok := item.(string)
			if !ok {
				return nil, false
			}
			texts = append(texts, strings.TrimSpace(text))
		}
		return texts, true
	}
	dict, isDict := value.(map[string]any)
	return []string{}, value == nil || value == false || value == json.Number("0") || isDict && len(dict) == 0
}

func readCommas(value any) (any, bool) {
	text, ok := value.(string)
	return split(text), ok || value == nil
}

// split cuts a text at its commas.
func split(text string) []string {
	texts := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			texts = append(texts, part)
		}
	}
	return texts
}

// texts turn a value into what an operator would write for ours, and say what is different, if anything is.
func (r *Row) texts(value any) (texts []string, note string) {
	if r.adapt != nil && value != nil {
		return r.adapt(value)
	}
	switch value := value.(type) {
	case []string:
		return value, ""
	case int64:
		return []string{strconv.FormatInt(value, 10)}, ""
	case bool:
		return []string{onOrOff(value)}, ""
	case string:
		return []string{value}, ""
	}
	return nil, ""
}

// empty says whether gunicorn takes a value as none.
func empty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case bool:
		return !value
	case []string:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	}
	return false
}

// isDefault says whether a value is the one that gunicorn has anyway, or none.
func (r *Row) isDefault(value any) bool {
	if empty(value) && r.Kind != Switch || r.harmless != nil && r.harmless(value) {
		return true
	}
	given, err := json.Marshal(value)
	byDefault, err2 := json.Marshal(r.normal())
	return err == nil && err2 == nil && bytes.Equal(given, byDefault)
}

// normal is gunicorn's default, in the form of read.
func (r *Row) normal() any {
	if r.Default == "" {
		return nil
	}
	value, err := r.read(&Value{Name: r.Name, JSON: json.RawMessage(r.Default)})
	if err != nil {
		panic("gunicorn: the default of " + r.Name + ": " + err.Error())
	}
	return value
}

func onOrOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// within keeps a number where ours may be.
func within(low, high int64) func(any) ([]string, string) {
	return func(value any) ([]string, string) {
		n := value.(int64)
		kept, note := min(max(n, low), high), ""
		if kept != n {
			note = fmt.Sprintf("it is %d here: it may be from %d to %d", kept, low, high)
		}
		return []string{strconv.FormatInt(kept, 10)}, note
	}
}

// seconds keeps a time where ours may be.
func seconds(value any) ([]string, string) {
	texts, note := within(0, 24*60*60)(value)
	if note != "" {
		note = "it is a day here, the longest there is"
	}
	return texts, note
}

// fields is within, with gunicorn's 0 for as many as it takes at all.
func fields(value any) ([]string, string) {
	if value.(int64) == 0 {
		value = int64(1000)
	}
	return within(1, 1000)(value)
}

func level(value any) ([]string, string) {
	given := strings.ToLower(value.(string))
	if slices.Contains([]string{"debug", "info", "warning", "error", "critical"}, given) {
		return []string{given}, ""
	}
	return []string{"info"}, "it is no level that gunicorn knows, and info there, too"
}

func onOff(value any) ([]string, string) { return []string{onOrOff(value.(bool))}, "" }

func lower(value any) ([]string, string) { return []string{strings.ToLower(value.(string))}, "" }

func syslogPrefix(value any) ([]string, string) {
	if value == "" {
		return []string{"gunicorn."}, ""
	}
	return []string{"gunicorn." + value.(string)}, ""
}

func proxyProtocol(value any) ([]string, string) {
	text := strings.ToLower(value.(string))
	switch text {
	case "true", "1":
		text = "auto"
	case "false", "0", "none":
		text = "off"
	}
	return []string{text}, ""
}

// backwards: gunicorn puts one path after the other at the front of sys.path.
func backwards(value any) ([]string, string) {
	paths := split(value.(string))
	slices.Reverse(paths)
	return paths, ""
}

func pairs(value any) ([]string, string) {
	dict, texts := value.(map[string]any), []string{}
	for _, name := range slices.Sorted(maps.Keys(dict)) {
		texts = append(texts, fmt.Sprintf("%s=%v", name, dict[name]))
	}
	return texts, ""
}

// among is of texts, in small letters but for names, that mean what gunicorn has by default.
func among(words ...string) func(any) bool {
	return func(value any) bool {
		text, ok := value.(string)
		return ok && (slices.Contains(words, text) || slices.Contains(words, strings.ToLower(text)))
	}
}

// ownerAlone is of modes of a file.
func ownerAlone(value any) bool {
	mode, ok := value.(int64)
	return ok && mode&0o077 == 0
}
