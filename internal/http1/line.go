package http1

import (
	"bytes"

	"speyside.dev/speyside/internal/authority"
	"speyside.dev/speyside/internal/wire"
)

// longestMethod is beyond the longest registered one (UPDATEREDIRECTREF, 17 bytes) by far.
const longestMethod = 64

// span names the bytes from at to end of a head, which is never longer than wire.MaxHead.
func span(at, end int) wire.Span { return wire.Span{At: uint16(at), Len: uint16(end - at)} }

// requestLine reads the line that ends where head ends:
//
//	request-line = method SP request-target SP HTTP-version
func (p *Parser) requestLine(head []byte, h *wire.Head) *Error {
	i := p.at
	for i < len(head) && class[head[i]]&isToken != 0 {
		i++
	}
	switch {
	case i-p.at > longestMethod:
		return ErrMethodLong
	case i == len(head):
		return ErrRequestLine
	case head[i] != ' ':
		return ErrMethod
	}
	h.Method = span(p.at, i)
	end, err := p.target(head, i+1, h)
	if err != nil {
		return err
	}
	if end == len(head) {
		return ErrRequestLine
	}
	if err := version(head[end+1:], h); err != nil {
		return err
	}
	return p.form(head, h)
}

// methodLong says whether a request line, which may lack its end, begins with more than a method may be.
func methodLong(line []byte) bool {
	for i := range min(len(line), longestMethod+1) {
		if class[line[i]]&isToken == 0 {
			return false
		}
	}
	return len(line) > longestMethod
}

// target finds the end of the request target, the first question mark, and percent signs in the path before it.
// Bytes from 0x80 on are let through, as gunicorn does: many clients send UTF-8 as it is.
func (p *Parser) target(head []byte, at int, h *wire.Head) (end int, err *Error) {
	question := -1
	i := at
scan:
	for ; i < len(head); i++ {
		c := head[i]
		if class[c]&isTarget != 0 {
			continue
		}
		switch c {
		case '%':
			h.Escaped = h.Escaped || question < 0
		case '?':
			if question < 0 {
				question = i
			}
		case ' ':
			break scan
		case '#':
			return 0, ErrFragment
		default: // HTAB, the one control character that lineEnd lets through
			return 0, ErrTarget
		}
	}
	if i == at {
		return 0, ErrRequestLine
	}
	h.Target = span(at, i)
	h.Path = h.Target
	if question >= 0 {
		h.Path, h.Query = span(at, question), span(question+1, i)
	}
	return i, nil
}

// version reads HTTP-version. A higher minor version is served as the highest that we know (RFC 9110 2.5).
func version(v []byte, h *wire.Head) *Error {
	if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' || v[5]-'0' > 9 || v[7]-'0' > 9 {
		return ErrVersion
	}
	if v[5] != '1' {
		return ErrVersionMajor
	}
	h.Minor = min(v[7]-'0', 1)
	return nil
}

// form tells the four forms of a request target apart (RFC 9112 3.2) and which methods they are for.
func (p *Parser) form(head []byte, h *wire.Head) *Error {
	method, target := h.Method.Of(head), h.Target.Of(head)
	switch string(method) {
	case "HEAD":
		h.HeadOnly = true
	case "CONNECT":
		return ErrConnect
	}
	switch {
	case target[0] == '/':
		return nil
	case len(target) == 1 && target[0] == '*':
		if string(method) != "OPTIONS" {
			return ErrAsterisk
		}
		h.Path.Len = 0 // PATH_INFO is empty or begins with a slash (RFC 3875 4.1.5)
		return nil
	case len(target) > 7 && sameFold(target[:7], "http://"):
		return p.absoluteForm(head, 7, h)
	case len(target) > 8 && sameFold(target[:8], "https://"):
		return p.absoluteForm(head, 8, h)
	}
	return ErrTarget
}

// absoluteForm splits an absolute-form target whose authority starts at offset scheme of it. Its authority counts
// instead of the Host field's value (RFC 9112 3.2.2). An empty path means "/", and names the second slash before
// the authority, so that it is a span like any other.
func (p *Parser) absoluteForm(head []byte, scheme int, h *wire.Head) *Error {
	at, end := int(h.Target.At)+scheme, int(h.Path.At)+int(h.Path.Len) // h.Path: the target up to its question mark
	slash := end
	if at < end { // else the authority is empty
		if i := bytes.IndexByte(head[at:end], '/'); i >= 0 {
			slash = at + i
		}
	}
	if slash <= at || !authority.Valid(head[at:slash]) {
		return ErrAuthority
	}
	p.absolute = true
	h.Host = span(at, slash)
	h.Path = span(slash, end)
	if slash == end {
		h.Path = span(at-1, at)
	}
	h.Escaped = bytes.IndexByte(h.Path.Of(head), '%') >= 0
	return nil
}
