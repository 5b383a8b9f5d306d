package uwsgi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Form is how a file is written.
type Form int

// The forms. The last two have sections as keys, and the options below them; a list is an option that stands several times.
const (
	INI Form = iota
	YAML
	JSON
)

// FormOf is what the name of a file says of it.
func FormOf(name string) Form {
	switch filepath.Ext(name) {
	case ".yaml", ".yml":
		return YAML
	case ".json", ".js":
		return JSON
	}
	return INI
}

// formOf is that of a file which an option names.
func formOf(option, path string) Form {
	switch option {
	case "ini":
		return INI
	case "yaml", "yml":
		return YAML
	case "json", "js":
		return JSON
	}
	return FormOf(path)
}

// part is a section; the wanted one with its options, whose values are not expanded.
type part struct {
	name    string
	options []Option
}

// flawed is what is wrong with a line.
type flawed struct {
	line int
	says string
}

func (e *flawed) Error() string { return e.says }

// nested is what neither form may have as a value.
const nested = "%s is neither a value nor a list of values"

// tree takes the options of one section of a file that is no ini file.
func (r *reader) tree(path, wanted, text string, form Form) {
	read := readYAML
	if form == JSON {
		read = readJSON
	}
	all, err := read(path, wanted, text)
	var flaw *flawed
	if errors.As(err, &flaw) {
		r.wrong(Where{path, flaw.line}, "%s", flaw.says)
		return
	}
	var found []string
	outer := r.logic
	r.logic = logic{}
	for _, p := range all {
		found = append(found, shown(p.name))
		for _, o := range p.options {
			if strings.ContainsFunc(o.Name+o.Value, func(c rune) bool { return c < ' ' && c != '\t' }) { // no line of an ini file has one
				r.wrong(o.Where, "%s has a line break or another control character in it", shown(o.Name))
				continue
			}
			r.option(o)
		}
	}
	r.logic.end(r)
	r.logic = outer
	if !slices.ContainsFunc(all, func(p part) bool { return p.name == wanted }) {
		err := r.wrong(Where{File: path}, "there is no section %s", plain(wanted))
		if err.Hint = "uWSGI's options stand below a key uwsgi."; len(found) > 0 {
			err.Hint = plain("it has " + strings.Join(found, ", ") + "; write " + path + ":SECTION for another one.")
		}
	}
}

// readJSON reads objects of options. A key that is there twice counts twice.
func readJSON(path, wanted, text string) ([]part, error) {
	d := &jsonReader{Decoder: json.NewDecoder(strings.NewReader(text)), path: path, text: text, line: 1}
	d.UseNumber()
	parts, err := d.parts(wanted)
	var syntax *json.SyntaxError
	var flaw *flawed
	switch {
	case err == nil:
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, &flawed{d.at(), "something follows the object"}
		}
		return parts, nil
	case errors.As(err, &flaw):
		return nil, flaw
	case errors.As(err, &syntax):
		return nil, &flawed{1 + strings.Count(text[:min(int(syntax.Offset), len(text))], "\n"), shown(syntax.Error())}
	}
	return nil, &flawed{1 + strings.Count(strings.TrimRight(text, "\n"), "\n"), "it ends in the middle"}
}

type jsonReader struct {
	*json.Decoder
	path, text   string
	line, looked int
}

// at is the line that has been read to.
func (d *jsonReader) at() int {
	now := int(d.InputOffset())
	d.line += strings.Count(d.text[d.looked:now], "\n")
	d.looked = now
	return d.line
}

func (d *jsonReader) parts(wanted string) (all []part, err error) {
	return all, d.object("the file", func(section string) error {
		p := part{name: section}
		value, err := d.Token()
		if err != nil {
			return err
		}
		switch {
		case section == wanted && value != json.Delim('{'):
			return &flawed{d.at(), shown(section) + " is no object of options"}
		case section != wanted: // of no interest to us
			all = append(all, p)
			return d.skip(value)
		}
		err = d.members(func(name string) error { return d.values(&p, name) })
		all = append(all, p)
		return err
	})
}

// object reads one, calling each for every key.
func (d *jsonReader) object(what string, each func(key string) error) error {
	begin, err := d.Token()
	if err == nil && begin != json.Delim('{') {
		err = &flawed{d.at(), what + " is no object"}
	}
	if err != nil {
		return err
	}
	return d.members(each)
}

func (d *jsonReader) members(each func(key string) error) error {
	for d.More() {
		key, err := d.Token()
		if err == nil {
			name, _ := key.(string)
			err = each(name)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// values reads what an option has.
func (d *jsonReader) values(p *part, name string) error {
	where := Where{d.path, d.at()}
	value, err := d.Token()
	if err != nil {
		return err
	}
	if value != json.Delim('[') {
		return p.add(name, value, where)
	}
	for d.More() {
		item, err := d.Token()
		if err == nil {
			err = p.add(name, item, Where{d.path, d.at()})
		}
		if err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func (p *part) add(name string, value json.Token, where Where) error {
	o := Option{Name: name, Where: where}
	switch value := value.(type) {
	case string:
		o.Value = strings.Trim(value, blank)
	case json.Number:
		o.Value = value.String()
	case bool:
		o.Value = strconv.FormatBool(value)
	case nil:
	default:
		return &flawed{where.Line, strings.Replace(nested, "%s", shown(name), 1)}
	}
	p.options = append(p.options, o)
	return nil
}

// skip reads to the end of a value whose first token has been read.
func (d *jsonReader) skip(begun json.Token) error {
	depth := 0
	for token := begun; ; {
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if token, err = d.Token(); err != nil {
			return err
		}
	}
}

// unquoted are values that uWSGI takes as they are, and that YAML reserves.
var unquoted = regexp.MustCompile(`(?m)^(\s*(?:- )?[\w-]+:[ \t]+|\s*-[ \t]+)([%@][^\n]*?)[ \t\r]*$`)

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// readYAML reads a mapping of mappings.
func readYAML(path, wanted, text string) ([]part, error) {
	text = unquoted.ReplaceAllStringFunc(text, func(line string) string {
		found := unquoted.FindStringSubmatch(line)
		return found[1] + "'" + strings.ReplaceAll(found[2], "'", "''") + "'"
	})
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlFlaw(err)
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, &flawed{more.Line, "a second document begins: one is read"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlFlaw(err)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &flawed{root.Line, "it has no sections: uWSGI's options stand below a key uwsgi"}
	}
	var all []part
	for i := 0; i+1 < len(root.Content); i += 2 {
		p := part{name: root.Content[i].Value}
		if section := root.Content[i+1]; p.name == wanted {
			if section.Kind != yaml.MappingNode {
				return nil, &flawed{section.Line, shown(p.name) + " is no mapping of options"}
			}
			if err := p.fill(path, section); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func yamlFlaw(err error) error {
	text := err.Error()
	begin := yamlError.FindStringSubmatch(text)
	if begin == nil {
		return &flawed{1, shown(text)}
	}
	line, _ := strconv.Atoi(begin[1]) // 0 where it is not said
	return &flawed{max(line, 1), shown(text[len(begin[0]):])}
}

// fill takes the options of a mapping.
func (p *part) fill(path string, node *yaml.Node) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		values := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			values = value.Content
		}
		for _, one := range values {
			if one.Kind == yaml.AliasNode {
				one = one.Alias
			}
			if one.Kind != yaml.ScalarNode {
				return &flawed{key.Line, strings.Replace(nested, "%s", shown(key.Value), 1)}
			}
			o := Option{Name: key.Value, Where: Where{path, max(one.Line, key.Line)}}
			if one.Tag != "!!null" {
				o.Value = strings.Trim(one.Value, blank)
			}
			p.options = append(p.options, o)
		}
	}
	return nil
}
