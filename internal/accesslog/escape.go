package accesslog

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// style is how text of clients and applications is written.
type style uint8

const (
	styleText   style = iota // between the text of a format of atoms
	styleJSON                // a JSON string
	styleLogfmt              // a word, or a JSON string
)

// longest bounds what is written of one value, before escapes. More than that no limit of requests allows by default.
const longest = 8192

// ellipsis ends a value that was longer.
const ellipsis = "..."

// shorten cuts a value that is too long.
func shorten(value []byte) (shown []byte, end string) {
	if len(value) > longest {
		return value[:longest], ellipsis
	}
	return value, ""
}

// appendText writes a value as gunicorn does: a string of Latin-1, in UTF-8, with double quotes escaped. Beyond that nothing is left by
// which a line could end, or a quoted field: control characters and backslashes are escaped, as JSON has it. So a format that looks
// like JSON stays JSON, whatever comes.
func appendText(line, value []byte, spaces bool) []byte {
	value, end := shorten(value)
	plain := 0
	for i, c := range value {
		if c >= '#' && c < 0x7f && c != '\\' || c == '!' || c == ' ' && !spaces {
			continue
		}
		line = append(line, value[plain:i]...)
		plain = i + 1
		line = appendChar(line, c, spaces)
	}
	return append(append(line, value[plain:]...), end...)
}

// appendChar writes one character of a value. Outside of quotes, where spaces are escaped, there can be no quote either.
func appendChar(line []byte, c byte, spaces bool) []byte {
	if spaces && c == '"' {
		return append(line, `\u0022`...)
	}
	return appendLatin1(line, c)
}

// appendLatin1 writes one character that may need an escape.
func appendLatin1(line []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(line, '\\', c)
	case c == '\n':
		return append(line, '\\', 'n')
	case c == '\r':
		return append(line, '\\', 'r')
	case c == '\t':
		return append(line, '\\', 't')
	case c > ' ' && c < 0x7f:
		return append(line, c)
	case c >= 0xa0:
		return utf8.AppendRune(line, rune(c))
	}
	return append(line, '\\', 'u', '0', '0', hexes[c>>4], hexes[c&15])
}

const hexes = "0123456789abcdef"

// appendPath writes PATH_INFO: decoded, and without the mount.
func appendPath(line, path, mount []byte, spaces bool) []byte {
	if bytes.IndexByte(path, '%') >= 0 {
		var memory [256]byte
		path = unescape(memory[:0], path)
	}
	if below, ok := bytes.CutPrefix(path, mount); ok && (len(below) == 0 || below[0] == '/') {
		path = below
	}
	return appendText(line, path, spaces)
}

// unescape decodes percent signs as ext/environ.c does: what is no escape stays as it is.
func unescape(decoded, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			high, low := digit(path[i+1]), digit(path[i+2])
			if high >= 0 && low >= 0 {
				decoded = append(decoded, byte(high<<4|low))
				i += 2
				continue
			}
		}
		decoded = append(decoded, path[i])
	}
	return decoded
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// appendQuoted writes a JSON string. What is UTF-8 stays so, other bytes are taken for Latin-1; what is not printable is escaped.
func appendQuoted(line, value []byte) []byte {
	value, end := shorten(value)
	line = append(line, '"')
	for plain := 0; ; {
		i := plain
		for i < len(value) && value[i] >= ' ' && value[i] < 0x7f && value[i] != '"' && value[i] != '\\' {
			i++
		}
		line = append(line, value[plain:i]...)
		if i == len(value) {
			break
		}
		if value[i] < utf8.RuneSelf {
			line = appendLatin1(line, value[i])
			plain = i + 1
			continue
		}
		r, size := utf8.DecodeRune(value[i:])
		line = appendRune(line, r, size, value[i])
		plain = i + size
	}
	return append(append(line, end...), '"')
}

// appendRune writes a rune of size bytes that is not ASCII; first is the first of them.
func appendRune(line []byte, r rune, size int, first byte) []byte {
	switch {
	case r == utf8.RuneError && size == 1:
		return append(line, '\\', 'u', '0', '0', hexes[first>>4], hexes[first&15])
	case strconv.IsPrint(r):
		return utf8.AppendRune(line, r)
	case r >= 0x10000:
		r -= 0x10000
		return appendUnit(appendUnit(line, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return appendUnit(line, r)
}

// appendUnit writes a unit of UTF-16 as an escape.
func appendUnit(line []byte, unit rune) []byte {
	return append(line, '\\', 'u', hexes[unit>>12&15], hexes[unit>>8&15], hexes[unit>>4&15], hexes[unit&15])
}

// appendWord writes a value of logfmt: as it is where it is a word, else a JSON string.
func appendWord(line, value []byte) []byte {
	if len(value) == 0 || len(value) > longest {
		return appendQuoted(line, value)
	}
	for _, c := range value {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=' {
			return appendQuoted(line, value)
		}
	}
	return append(line, value...)
}

// fit is what a format says of an atom's width, as Python's % operator has it.
type fit struct {
	width       int
	precision   int // characters at most; -1: any number
	left, zeros bool
	sign        byte // of numbers: '+' or ' ', 0 for none
	number      bool // %(…)d
}

// apply fits what stands at the end of the line, from at on.
func (f *fit) apply(line []byte, at int) []byte {
	if f == nil {
		return line
	}
	if f.number {
		return f.applyNumber(line, at)
	}
	units, end := 0, at
	for end < len(line) && (f.precision < 0 || units < f.precision) {
		n := unit(line[end:])
		if f.precision >= 0 && line[end] == '\\' && units+n > f.precision {
			break // half an escape would escape what follows
		}
		if units++; line[end] == '\\' {
			units += n - 1
		}
		end += n
	}
	line = line[:end]
	return f.pad(line, at, units, ' ')
}

// applyNumber fits a number: its precision is the least number of digits.
func (f *fit) applyNumber(line []byte, at int) []byte {
	if f.precision > len(line)-at {
		line = fill(line, at, f.precision-(len(line)-at), '0')
	}
	if f.sign != 0 {
		line = fill(line, at, 1, f.sign)
	}
	if f.zeros && !f.left {
		sign := 0
		if f.sign != 0 {
			sign = 1
		}
		return fill(line, at+sign, f.width-(len(line)-at), '0')
	}
	return f.pad(line, at, len(line)-at, ' ')
}

func (f *fit) pad(line []byte, at, units int, with byte) []byte {
	if f.left {
		at = len(line)
	}
	return fill(line, at, f.width-units, with)
}

// fill puts n bytes in at.
func fill(line []byte, at, n int, with byte) []byte {
	for range max(n, 0) {
		line = append(line, with)
	}
	if n > 0 && at+n < len(line) {
		copy(line[at+n:], line[at:len(line)-n])
		for i := range n {
			line[at+i] = with
		}
	}
	return line
}

// unit is the length of the character, or the escape, that line begins with.
func unit(line []byte) int {
	if line[0] != '\\' || len(line) < 2 {
		_, size := utf8.DecodeRune(line)
		return size
	}
	if line[1] == 'u' {
		return min(6, len(line))
	}
	return 2
}
