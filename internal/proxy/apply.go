package proxy

import (
	"speyside.dev/speyside/internal/authority"
	"speyside.dev/speyside/internal/wire"
)

// Apply changes o, which is about the connection itself, to what a trusted proxy says in the head h, whose bytes are head. The
// path in h becomes the one that the proxy names, if it does. It reports whether there was anything of the kind.
func (p *Policy) Apply(head []byte, h *wire.Head, o *wire.Origin) (found bool, err *Error) {
	r := reading{policy: p, head: head, fields: h.Fields, origin: o}
	for i := range h.Fields {
		t := p.term(h.Fields[i].Name.Of(head))
		if t == nil {
			continue
		}
		found = true
		if err := r.single(t, h.Fields[i].Value, h); err != nil {
			return true, err
		}
	}
	switch {
	case r.seen&(1<<saysForwarded) != 0:
		err = r.forwarded()
	case r.seen&(1<<saysFor|1<<saysProto|1<<saysHost|1<<saysPort|1<<saysPrefix) != 0:
		err = r.xForwarded()
	}
	return found, err
}

// reading is one Apply under way.
type reading struct {
	policy *Policy
	head   []byte
	fields []wire.Field
	origin *wire.Origin
	seen   uint16 // one bit per meaning
	schemed,
	https bool
}

// single takes a header that stands for itself, and notes those that are read together.
func (r *reading) single(t *term, value wire.Span, h *wire.Head) *Error {
	again := r.seen&(1<<t.meaning) != 0
	r.seen |= 1 << t.meaning
	switch t.meaning {
	case saysScheme:
		return r.scheme(string(value.Of(r.head)) == t.secure)
	case saysScript:
		if again {
			return ErrTwice
		}
		return r.mount(value, false)
	case saysPath:
		if again {
			return ErrTwice
		}
		if value.Len > 0 && r.head[value.At] != '/' {
			return ErrMount
		}
		h.Path, h.Escaped, r.origin.WholePath = value, false, true
	}
	return nil
}

// scheme takes one header's word on the scheme. Two that disagree cannot both be the proxy's.
func (r *reading) scheme(https bool) *Error {
	if r.schemed && https != r.https {
		return ErrSchemes
	}
	r.schemed, r.https, r.origin.HTTPS = true, https, https
	return nil
}

// mount takes the path that the application is mounted under. With two slashes in front, links made of it would lead to
// another host.
func (r *reading) mount(at wire.Span, cutOff bool) *Error {
	path := at.Of(r.head)
	if len(path) > 0 && (path[0] != '/' || len(path) > 1 && path[1] == '/') {
		return ErrMount
	}
	for at.Len > 0 && r.head[int(at.At)+int(at.Len)-1] == '/' {
		at.Len--
	}
	o := r.origin
	o.Script, o.HasScript, o.WholePath = at, true, o.WholePath || cutOff
	return nil
}

// host takes the host that the client asked for, and the port where it has none of its own.
func (r *reading) host(at wire.Span, port int) *Error {
	o := r.origin
	usual := 80
	if o.HTTPS {
		usual = 443
	}
	if at.Len == 0 {
		o.ServerPort = uint16(max(port, 0))
		return nil
	}
	text := at.Of(r.head)
	if !authority.Valid(text) {
		return ErrHost
	}
	name, digits := authority.Split(text)
	own := len(digits) > 0
	if own {
		var ok bool
		if port, ok = parsePort(digits); !ok || port == 0 {
			return ErrPort
		}
	} else if port < 0 {
		port = usual
	}
	o.HostPort = !own && port != usual
	if len(name) < len(text) && !own { // a colon without a port
		at.Len = uint16(len(name))
	}
	o.Host, o.HostName, o.ServerPort = at, uint16(len(name)), uint16(port)
	return nil
}
