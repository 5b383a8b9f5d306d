package proxy

import (
	"bytes"

	"speyside.dev/speyside/internal/wire"
)

// element is one member of a Forwarded list: what one proxy says.
type element struct {
	node             node
	isFor            bool
	proto, host      wire.Span
	isProto, isHost  bool
	by, some, tricky bool // tricky: a host or scheme with a backslash in it
}

// forwarded reads Forwarded (RFC 7239), to which every proxy adds at the right. The element counts whose client is the rightmost one
// that is no proxy of ours. All of it must be well-formed: a quote left open by a client would swallow what the proxy has added.
func (r *reading) forwarded() *Error {
	var chosen element
	any := false
	for i := range r.fields {
		f := &r.fields[i]
		if t := r.policy.term(f.Name.Of(r.head)); t == nil || t.meaning != saysForwarded {
			continue
		}
		list := forwardedReader{head: r.head, at: int(f.Value.At), end: int(f.Value.At) + int(f.Value.Len)}
		for list.at < list.end {
			e, err := list.element()
			if err != nil {
				return err
			}
			if e.some && (!any || !e.node.ip.IsValid() || !r.policy.allowed.names(e.node.ip)) {
				chosen, any = e, true
			}
		}
	}
	if !any {
		return nil
	}
	return r.believe(&chosen)
}

func (r *reading) believe(e *element) *Error {
	if e.isFor {
		setClient(r.origin, e.node)
	}
	if e.isProto {
		https, ok := schemeOf(e.proto.Of(r.head))
		if !ok || e.tricky {
			return ErrScheme
		}
		if err := r.scheme(https); err != nil {
			return err
		}
	}
	if !e.isHost {
		return nil
	}
	if e.tricky || e.host.Len == 0 {
		return ErrHost
	}
	return r.host(e.host, -1)
}

// forwardedReader reads one field's value.
type forwardedReader struct {
	head    []byte
	at, end int
}

// element reads up to the comma or the end:
//
//	forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
//
// There is no whitespace but around commas.
func (r *forwardedReader) element() (e element, err *Error) {
	r.blanks()
	for {
		if r.at < r.end && r.head[r.at] != ';' && r.head[r.at] != ',' {
			if err := r.pair(&e); err != nil {
				return e, err
			}
		}
		if r.at == r.end {
			return e, nil
		}
		c := r.head[r.at]
		if c == ' ' || c == '\t' {
			if r.blanks(); r.at == r.end {
				return e, nil
			}
			if c = r.head[r.at]; c != ',' {
				return e, ErrForwarded
			}
		}
		r.at++
		switch c {
		case ',':
			return e, nil
		case ';':
		default:
			return e, ErrForwarded
		}
	}
}

func (r *forwardedReader) blanks() {
	for r.at < r.end && (r.head[r.at] == ' ' || r.head[r.at] == '\t') {
		r.at++
	}
}

// pair reads token "=" ( token / quoted-string ). A name may be there once; names that we do not know are for others.
func (r *forwardedReader) pair(e *element) *Error {
	name := r.token()
	if name.Len == 0 || r.at == r.end || r.head[r.at] != '=' {
		return ErrForwarded
	}
	r.at++
	value, escaped, ok := r.value()
	if !ok {
		return ErrForwarded
	}
	e.some = true
	var seen *bool
	switch word := name.Of(r.head); {
	case equalFold(word, "for"):
		seen = &e.isFor
		var ok bool
		if e.node, ok = parseNode(value.Of(r.head), false); !ok || escaped {
			return ErrClient
		}
	case equalFold(word, "proto"):
		seen, e.proto, e.tricky = &e.isProto, value, e.tricky || escaped
	case equalFold(word, "host"):
		seen, e.host, e.tricky = &e.isHost, value, e.tricky || escaped
	case equalFold(word, "by"):
		seen = &e.by
	default:
		return nil
	}
	if *seen {
		return ErrForwarded
	}
	*seen = true
	return nil
}

func (r *forwardedReader) token() wire.Span {
	from := r.at
	for r.at < r.end && isToken(r.head[r.at]) {
		r.at++
	}
	return wire.Span{At: uint16(from), Len: uint16(r.at - from)}
}

// value returns a token, or what is between quotes; escaped says that there are backslashes in it.
func (r *forwardedReader) value() (value wire.Span, escaped, ok bool) {
	if r.at == r.end || r.head[r.at] != '"' {
		value = r.token()
		return value, false, value.Len > 0
	}
	r.at++
	from := r.at
	for ; r.at < r.end; r.at++ {
		switch r.head[r.at] {
		case '"':
			r.at++
			return wire.Span{At: uint16(from), Len: uint16(r.at - 1 - from)}, escaped, true
		case '\\':
			escaped = true
			r.at++
		}
	}
	r.at = r.end
	return value, escaped, false
}

// isToken is tchar (RFC 9110 5.6.2).
func isToken(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}
