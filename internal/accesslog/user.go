package accesslog

import (
	"bytes"
	"unicode/utf8"
)

// appendUser writes the name that a client gave with the scheme Basic, or nothing. What is no Base64 is passed over, as Python's
// decoder does.
func appendUser(line, authorization []byte, spaces bool) []byte {
	if len(authorization) < len(basic) || !sameFold(authorization[:len(basic)], basic) {
		return line
	}
	_, encoded, ok := bytes.Cut(authorization, space)
	if !ok || len(encoded) > longest {
		return line
	}
	var memory [256]byte
	decoded, ok := decode(memory[:0], encoded)
	if !ok {
		return line
	}
	name, _, _ := bytes.Cut(decoded, colon)
	if !utf8.Valid(name) {
		return line
	}
	for i := 0; i < len(name); {
		if c := name[i]; c < utf8.RuneSelf {
			if c == ' ' && !spaces {
				line = append(line, c)
			} else {
				line = appendChar(line, c, spaces)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(name[i:])
		line = appendRune(line, r, size, name[i])
		i += size
	}
	return line
}

const basic = "basic"

var space, colon = []byte(" "), []byte(":")

// decode reads Base64, and what is none between it is passed over. Padding ends it.
func decode(out, in []byte) (_ []byte, ok bool) {
	bits, count, pads := 0, 0, 0
	for _, c := range in {
		if c == '=' {
			if pads++; count >= 2 && count+pads >= 4 {
				return out, true
			}
			continue
		}
		value := sextet(c)
		if value < 0 {
			continue
		}
		pads = 0
		bits = bits<<6 | value
		if count++; count > 1 {
			out = append(out, byte(bits>>(8-2*count)))
		}
		if count &= 3; count == 0 {
			bits = 0
		}
	}
	return out, count == 0
}

// sextet is the value of a letter of Base64, -1 for any other.
func sextet(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}
