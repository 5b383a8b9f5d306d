package accesslog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// compiler reads a format of atoms, as Python's % operator would with a dict on its right.
type compiler struct {
	format  *Format
	dashes  bool // nothing is written as a hyphen everywhere
	literal strings.Builder
	quoted  bool // a double quote is open
}

// Errors of a format, after the atom that has it.
var (
	errUnnamed    = errors.New("a percent sign begins an atom such as %(h)s; for the sign itself write %%")
	errOpen       = errors.New("its parenthesis is not closed")
	errConversion = errors.New("it must end with s, or with d where it is a number")
	errNumber     = errors.New("it is text, and only a number can end with d")
	errWidth      = errors.New("its width is larger than 999")
)

// percent compiles text.
func (c *compiler) percent(text string) error {
	for i := 0; i < len(text); {
		if text[i] != '%' {
			c.add(text[i])
			i++
			continue
		}
		n, err := c.atom(text[i:])
		if err != nil {
			return fmt.Errorf("at byte %d, %q: %w", i+1, shortened(text[i:]), err)
		}
		i += n
	}
	c.format.end = c.literal.String() + "\n"
	return nil
}

// add appends to the text between atoms.
func (c *compiler) add(b byte) {
	c.literal.WriteByte(b)
	c.quoted = c.quoted != (b == '"')
}

func shortened(text string) string {
	if len(text) > 24 {
		return text[:24] + "…"
	}
	return text
}

// atom compiles what begins with a percent sign, and returns its length.
func (c *compiler) atom(text string) (int, error) {
	if strings.HasPrefix(text, "%%") {
		c.add('%')
		return 2, nil
	}
	if !strings.HasPrefix(text, "%(") {
		return 0, errUnnamed
	}
	end := closing(text)
	if end < 0 {
		return 0, errOpen
	}
	p := c.part(text[2:end])
	f, n, err := readFit(text[end+1:])
	if err != nil {
		return 0, err
	}
	if f.number && !p.kind.number() {
		return 0, errNumber
	}
	if *f != (fit{precision: -1}) {
		p.fit = f
	}
	p.lead = c.literal.String()
	c.literal.Reset()
	p.spaces = !c.quoted && (p.kind == kindUser || p.kind == kindPathInfo)
	p.dash = p.dash || c.dashes
	c.format.parts = append(c.format.parts, p)
	return end + 1 + n, nil
}

// closing finds the parenthesis that closes the one at 1; they may be nested.
func closing(text string) int {
	depth := 0
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// readFit reads what follows an atom's name: flags, width, precision, conversion.
func readFit(text string) (f *fit, n int, err error) {
	f = &fit{precision: -1}
flags:
	for ; n < len(text); n++ {
		switch text[n] {
		case '-':
			f.left = true
		case '0':
			f.zeros = true
		case '+', ' ':
			if f.sign != '+' {
				f.sign = text[n]
			}
		case '#':
		default:
			break flags
		}
	}
	width, n := digits(text, n)
	f.width = max(width, 0)
	if n < len(text) && text[n] == '.' {
		f.precision, n = digits(text, n+1)
		f.precision = max(f.precision, 0)
	}
	if n < len(text) && strings.IndexByte("hlL", text[n]) >= 0 {
		n++
	}
	switch {
	case n == len(text):
		return f, 0, errConversion
	case f.width > 999 || f.precision > 1e6:
		return f, 0, errWidth
	}
	switch text[n] {
	case 's': // these are for numbers alone
		f.zeros, f.sign = false, 0
	case 'd', 'i', 'u':
		f.number = true
	default:
		return f, 0, errConversion
	}
	return f, n + 1, nil
}

// digits reads a number at i, -1 where there is none.
func digits(text string, i int) (number, end int) {
	for end = i; end < len(text) && text[end] >= '0' && text[end] <= '9'; end++ {
	}
	number, err := strconv.Atoi(text[i:end])
	switch {
	case end == i:
		return -1, end
	case err != nil:
		return 1 << 30, end
	}
	return number, end
}

// part finds an atom by its name. gunicorn knows those in braces in any case.
func (c *compiler) part(name string) part {
	switch kind, ok := atoms[name]; {
	case name == "f":
		return part{kind: kind, index: c.header("referer", true)}
	case name == "u":
		return part{kind: kind, index: c.header("authorization", true), dash: true}
	case name == "a":
		return part{kind: kind, index: c.header("user-agent", true)}
	case ok:
		return part{kind: kind, text: "-"}
	}
	inner, brace := strings.CutPrefix(strings.ToLower(name), "{")
	if brace && len(inner) >= 2 && inner[len(inner)-2] == '}' {
		of := inner[:len(inner)-2]
		switch inner[len(inner)-1] {
		case 'i':
			return part{kind: kindHeader, index: c.header(of, false)}
		case 'o':
			return part{kind: kindReplyHeader, index: c.reply(of)}
		case 'e':
			if p, ok := c.variable(of); ok {
				return p
			}
		}
	}
	if !slices.Contains(c.format.unknown, name) {
		c.format.unknown = append(c.format.unknown, name)
	}
	return part{kind: kindConstant, text: "-"}
}

// atoms are gunicorn's with one letter. f and a are those of the environ, where several headers are joined. It never changes.
var atoms = map[string]kind{
	"h": kindClient, "l": kindConstant, "u": kindUser, "t": kindLocalTime, "r": kindRequestLine, "s": kindStatus, "m": kindMethod,
	"U": kindPathInfo, "q": kindQuery, "H": kindProtocol, "b": kindBytes, "B": kindBytesNumber, "f": kindHeader, "a": kindHeader, "T": kindSeconds,
	"D": kindMicros, "M": kindMillis, "L": kindDecimal, "p": kindPid,
}

// variables are those of the environ that are known here, in lower case. It never changes.
var variables = map[string]kind{
	"request_method": kindMethod, "path_info": kindPathInfo, "query_string": kindQuery, "raw_uri": kindTarget, "server_protocol": kindProtocol,
	"remote_addr": kindClient, "remote_port": kindPort, "script_name": kindScript, "wsgi.url_scheme": kindScheme, "http_host": kindHost,
	"speyside.request_id": kindRequestID,
}

func (c *compiler) variable(name string) (part, bool) {
	if kind, ok := variables[name]; ok {
		return part{kind: kind}, true
	}
	if name == "content_type" || name == "content_length" {
		return part{kind: kindHeader, index: c.header(strings.ReplaceAll(name, "_", "-"), true)}, true
	}
	if header, ok := strings.CutPrefix(name, "http_"); ok && header != "" {
		return part{kind: kindHeader, index: c.header(strings.ReplaceAll(header, "_", "-"), true)}, true
	}
	return part{}, false
}

// header returns the index of a header of requests.
func (c *compiler) header(name string, joined bool) int {
	want := Header{name, joined}
	i := slices.Index(c.format.headers, want)
	if i < 0 {
		i = len(c.format.headers)
		c.format.headers = append(c.format.headers, want)
	}
	return i
}

// reply returns the index of a header of replies.
func (c *compiler) reply(name string) int {
	i := slices.Index(c.format.replies, name)
	if i < 0 {
		i = len(c.format.replies)
		c.format.replies = append(c.format.replies, name)
	}
	return i
}
