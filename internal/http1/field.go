package http1

import (
	"math"
	"strings"

	"speyside.dev/speyside/internal/authority"
	"speyside.dev/speyside/internal/wire"
)

// field reads the line that ends where head ends:
//
//	field-line = field-name ":" OWS field-value OWS
func (p *Parser) field(head []byte, limits *Limits, h *wire.Head) *Error {
	i, seen := p.at, uint8(0)
	for ; i < len(head); i++ {
		c := class[head[i]]
		if c&isToken == 0 {
			break
		}
		seen |= c
	}
	if i == len(head) || head[i] != ':' || i == p.at {
		return nameError(head[p.at:], i-p.at)
	}
	name := span(p.at, i)
	at, end := i+1, len(head)
	for at < end && (head[at] == ' ' || head[at] == '\t') {
		at++
	}
	for end > at && (head[end-1] == ' ' || head[end-1] == '\t') {
		end--
	}
	if seen&isUnderscore != 0 && limits.Underscores != KeepUnderscores && !limits.keeps(name.Of(head)) {
		if limits.Underscores == RefuseUnderscores {
			return ErrUnderscore
		}
		h.Dropped, h.DroppedName = h.Dropped+1, name
		return nil
	}
	n := len(h.Fields)
	if n == cap(h.Fields) {
		return ErrTooManyFields
	}
	h.Fields = h.Fields[:n+1]
	h.Fields[n] = wire.Field{Name: name, Value: span(at, end)}
	if p.repeats(head, h) {
		h.Repeated = true
	}
	switch name.Len {
	case 4, 6, 10, 14, 17:
		return p.known(head, h)
	}
	return nil
}

// keeps says whether fields of a name with an underscore are handed to the application whatever becomes of others.
func (l *Limits) keeps(name []byte) bool {
	for _, kept := range l.Kept {
		if kept == "*" || strings.EqualFold(string(name), kept) {
			return true
		}
	}
	return false
}

// nameError says what is wrong with the name of a field line whose first i bytes are a token.
func nameError(line []byte, i int) *Error {
	if i == len(line) || line[i] != ' ' && line[i] != '\t' {
		return ErrName
	}
	if i == 0 {
		return ErrFold
	}
	return ErrNameSpace
}

// fewFields is how many fields the exact search in repeats may look through.
const fewFields = 64

// repeats says whether the last field may have the same name as one before it. One bit per name answers most; with many
// fields its word is taken, else a search settles it.
func (p *Parser) repeats(head []byte, h *wire.Head) bool {
	last := h.Fields[len(h.Fields)-1].Name.Of(head)
	bit := wire.NameBit(last)
	if h.Names&bit == 0 || h.Repeated {
		h.Names |= bit
		return false
	}
	if len(h.Fields) > fewFields {
		return true
	}
	for _, f := range h.Fields[:len(h.Fields)-1] {
		if int(f.Name.Len) == len(last) && sameName(f.Name.Of(head), last) {
			return true
		}
	}
	return false
}

// sameName compares two names of the same length in any case. It may call two odd ones ("^" and "~") the same.
func sameName(a, b []byte) bool {
	for i := range a {
		if a[i]|0x20 != b[i]|0x20 {
			return false
		}
	}
	return true
}

// known acts on the last field if it is one that the protocol itself needs.
func (p *Parser) known(head []byte, h *wire.Head) *Error {
	f := &h.Fields[len(h.Fields)-1]
	name, value := f.Name.Of(head), f.Value.Of(head)
	switch name[0] | 0x20 {
	case 'h':
		if sameFold(name, "host") {
			return p.hostField(f, value, h)
		}
	case 'c':
		switch {
		case sameFold(name, "connection"):
			p.connection(value)
		case sameFold(name, "content-length"):
			return p.contentLength(value, h)
		}
	case 't':
		if sameFold(name, "transfer-encoding") {
			return transferEncoding(value, h)
		}
	case 'e':
		if sameFold(name, "expect") {
			return expect(value, h)
		}
	}
	return nil
}

// hostField checks a Host field (RFC 9112 3.2); an empty value is allowed. The authority of an absolute-form target
// takes its place, in the fields too, so that the application can see no other.
func (p *Parser) hostField(f *wire.Field, value []byte, h *wire.Head) *Error {
	if p.host {
		return ErrHostRepeated
	}
	if len(value) > 0 && !authority.Valid(value) {
		return ErrHost
	}
	p.host = true
	if p.absolute {
		f.Value = h.Host
	}
	h.Host = f.Value
	return nil
}

// connection notes the two options that we act on (RFC 9110 7.6.1) and lets others be.
func (p *Parser) connection(value []byte) {
	for more := true; more; {
		var option []byte
		option, value, more = member(value)
		p.close = p.close || sameFold(option, "close")
		p.keep = p.keep || sameFold(option, "keep-alive")
	}
}

// contentLength reads Content-Length = 1*DIGIT. A list of equal numbers could be repaired (RFC 9112 6.3) and is
// refused instead.
func (p *Parser) contentLength(value []byte, h *wire.Head) *Error {
	if p.length {
		return ErrLengthRepeated
	}
	p.length = true
	var length int64
	large := false
	for _, c := range value {
		d := c - '0'
		if d > 9 {
			return ErrLength
		}
		if large = large || length > (math.MaxInt64-int64(d))/10; !large {
			length = length*10 + int64(d)
		}
	}
	switch {
	case len(value) == 0:
		return ErrLength
	case large:
		return ErrLengthLarge
	}
	h.ContentLength = length
	return nil
}

// transferEncoding takes exactly one coding in all the head, chunked, and tells apart why others are refused: not a
// list of tokens, chunked where it must not be, or a coding we do not have.
func transferEncoding(value []byte, h *wire.Head) *Error {
	if h.Chunked {
		return ErrCodingOrder
	}
	if sameFold(value, "chunked") {
		h.Chunked = true
		return nil
	}
	misplaced := false
	for more := true; more; {
		var coding []byte
		coding, value, more = member(value)
		if !tokenOnly(coding) {
			return ErrCoding
		}
		misplaced = misplaced || more && sameFold(coding, "chunked")
	}
	if misplaced {
		return ErrCodingOrder
	}
	return ErrCodingUnknown
}

// tokenOnly says whether s is a token.
func tokenOnly(s []byte) bool {
	for _, c := range s {
		if class[c]&isToken == 0 {
			return false
		}
	}
	return len(s) > 0
}

// expect takes 100-continue, which is ignored from HTTP/1.0 (RFC 9110 10.1.1), and refuses all else.
func expect(value []byte, h *wire.Head) *Error {
	if !sameFold(value, "100-continue") {
		return ErrExpect
	}
	h.Continue = h.Minor > 0
	return nil
}
