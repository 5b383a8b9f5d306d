package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// layout is the parsed description of the segment (internal/wire/layout.txt).
type layout struct {
	consts  []number
	enums   []number
	structs []structure
}

// number is one `const` or `enum` line.
type number struct {
	name, text, doc string
	value           uint64
}

// group returns the prefix that lists enum lines together: StateFree and StateFilled belong to State.
func (n number) group() string { return words(n.name)[0] }

// structure is one `struct` line and the fields that follow it.
type structure struct {
	name, doc string
	size      int
	fields    []field
}

// field is one field of a structure. A padding field has no name.
type field struct {
	name, doc     string
	width         int // bytes of one element: 1, 2, 4 or 8
	count         int // elements; 0 when the field is not an array
	offset, bytes int
	atomic        bool
}

// parseLayout reads the description. Errors name the line.
func parseLayout(text string) (*layout, error) {
	p := layoutParser{layout: &layout{}, seen: map[string]bool{}}
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		if err := p.line(strings.TrimSpace(lines.Text())); err != nil {
			return nil, fmt.Errorf("layout line %d: %w", number, err)
		}
	}
	if err := p.closeStruct(); err != nil {
		return nil, err
	}
	if len(p.layout.structs) == 0 {
		return nil, fmt.Errorf("layout: no struct in it")
	}
	return p.layout, lines.Err()
}

// layoutParser carries what one line leaves for the next.
type layoutParser struct {
	layout *layout
	seen   map[string]bool // names of numbers and structs
	open   *structure
	at     int // next free offset in open
}

func (p *layoutParser) line(line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	if strings.HasPrefix(line, "@") {
		return p.moveTo(line[1:])
	}
	first, rest, _ := strings.Cut(line, " ")
	switch first {
	case "const", "enum":
		return p.number(first, rest)
	case "struct":
		return p.openStruct(rest)
	}
	return p.field(first, rest)
}

func (p *layoutParser) number(kind, line string) error {
	if err := p.closeStruct(); err != nil {
		return err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 {
		return fmt.Errorf("%s wants NAME VALUE doc", kind)
	}
	value, err := strconv.ParseUint(parts[1], 0, 64)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, parts[0], err)
	}
	n := number{name: parts[0], text: parts[1], value: value, doc: parts[2]}
	if kind == "enum" {
		p.layout.enums = append(p.layout.enums, n)
	} else {
		p.layout.consts = append(p.layout.consts, n)
	}
	return p.name(n.name)
}

func (p *layoutParser) name(name string) error {
	if p.seen[name] {
		return fmt.Errorf("%s is there twice", name)
	}
	p.seen[name] = true
	return nil
}

func (p *layoutParser) openStruct(line string) error {
	if err := p.closeStruct(); err != nil {
		return err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 {
		return fmt.Errorf("struct wants NAME SIZE doc")
	}
	size, err := strconv.Atoi(parts[1])
	if err != nil {
		return fmt.Errorf("struct %s: %w", parts[0], err)
	}
	p.open, p.at = &structure{name: parts[0], size: size, doc: parts[2]}, 0
	return p.name(parts[0])
}

func (p *layoutParser) closeStruct() error {
	if p.open == nil {
		return nil
	}
	if err := p.padTo(p.open.size); err != nil {
		return fmt.Errorf("struct %s: %w", p.open.name, err)
	}
	p.layout.structs = append(p.layout.structs, *p.open)
	p.open = nil
	return nil
}

func (p *layoutParser) moveTo(text string) error {
	if p.open == nil {
		return fmt.Errorf("@%s outside a struct", text)
	}
	offset, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	return p.padTo(offset)
}

// padTo fills the open structure up to offset.
func (p *layoutParser) padTo(offset int) error {
	if offset < p.at {
		return fmt.Errorf("the fields reach offset %d, past %d", p.at, offset)
	}
	if pad := offset - p.at; pad > 0 {
		p.open.fields = append(p.open.fields, field{width: 1, count: pad, offset: p.at, bytes: pad})
		p.at = offset
	}
	return nil
}

// typeWidths are the types a field may have.
var typeWidths = map[string]int{"u8": 1, "u16": 2, "u32": 4, "u64": 8}

func (p *layoutParser) field(name, rest string) error {
	if p.open == nil {
		return fmt.Errorf("%s: neither const, enum, struct nor a field of a struct", name)
	}
	for _, other := range p.open.fields {
		if other.name == name {
			return fmt.Errorf("struct %s has %s twice", p.open.name, name)
		}
	}
	kind, doc, _ := strings.Cut(rest, " ")
	base, count, isArray := strings.Cut(kind, "*")
	f := field{name: name, width: typeWidths[base]}
	if f.width == 0 {
		return fmt.Errorf("%s: no type %q", name, kind)
	}
	f.bytes = f.width
	if isArray {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return fmt.Errorf("%s: %q is no array length", name, count)
		}
		f.count, f.bytes = n, n*f.width
	}
	f.doc, f.atomic = strings.CutPrefix(doc, "atomic ")
	if f.doc == "" {
		return fmt.Errorf("%s has no doc", name)
	}
	if f.atomic && f.width < 4 {
		return fmt.Errorf("%s: an atomic word has 4 or 8 bytes", name)
	}
	if err := p.padTo((p.at + f.width - 1) / f.width * f.width); err != nil {
		return err
	}
	f.offset = p.at
	p.at += f.bytes
	p.open.fields = append(p.open.fields, f)
	return nil
}

// words splits a Go name at its capitals: RequestID gives Request, ID; FlagHTTPS gives Flag, HTTPS.
func words(name string) []string {
	var out []string
	runes := []rune(name)
	start := 0
	for i := 1; i < len(runes); i++ {
		if !unicode.IsUpper(runes[i]) {
			continue
		}
		afterLower := !unicode.IsUpper(runes[i-1])
		endsRun := i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if afterLower || endsRun {
			out = append(out, string(runes[start:i]))
			start = i
		}
	}
	return append(out, string(runes[start:]))
}

// snake turns a Go name into a C one: RequestID becomes request_id.
func snake(name string) string { return strings.ToLower(strings.Join(words(name), "_")) }
