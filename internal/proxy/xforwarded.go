package proxy

import (
	"bytes"

	"speyside.dev/speyside/internal/wire"
)

// xForwarded reads the X-Forwarded headers. Each is a list to which every proxy on the way may have added at the right. The client
// is the rightmost address in X-Forwarded-For that is no proxy of ours, and in the other lists the member counts that stands as far from
// the right: it was written by the proxy that the client talked to. A list that is shorter was not added to by all, and its first one
// counts.
func (r *reading) xForwarded() *Error {
	client, fromRight, ok := r.client()
	if !ok {
		return ErrClient
	}
	if r.seen&(1<<saysFor) != 0 && fromRight > 0 {
		setClient(r.origin, client)
	}
	fromRight = max(fromRight, 1)
	if proto := r.member(saysProto, fromRight); proto.Len > 0 {
		https, ok := schemeOf(proto.Of(r.head))
		if !ok {
			return ErrScheme
		}
		if err := r.scheme(https); err != nil {
			return err
		}
	}
	port := -1
	if member := r.member(saysPort, fromRight); member.Len > 0 {
		if port, ok = parsePort(member.Of(r.head)); !ok || port == 0 {
			return ErrPort
		}
	}
	if err := r.host(r.member(saysHost, fromRight), port); err != nil {
		return err
	}
	if prefix := r.member(saysPrefix, fromRight); prefix.Len > 0 && !r.origin.HasScript {
		return r.mount(prefix, true)
	}
	return nil
}

// schemeOf reads a scheme. Proxies say ws and wss of a request that asks for a WebSocket.
func schemeOf(text []byte) (https, ok bool) {
	switch {
	case equalFold(text, "https"), equalFold(text, "wss"):
		return true, true
	case equalFold(text, "http"), equalFold(text, "ws"):
		return false, true
	}
	return false, false
}

// client returns the client in X-Forwarded-For and how far from the right it stands, 0 when the list is empty. Who stands left of it
// does not matter: the client may have written that.
func (r *reading) client() (client node, fromRight int, ok bool) {
	ok = true
	for member := range r.members(saysFor) {
		fromRight++
		n, valid := parseNode(member.Of(r.head), true)
		if fromRight == 1 || !valid || !n.ip.IsValid() || !r.policy.allowed.names(n.ip) {
			client, ok, fromRight = n, valid, 1
		}
	}
	return client, fromRight, ok
}

// member returns the member that stands so far from the right, or the first one; empty: there is none.
func (r *reading) member(m meaning, fromRight int) (found wire.Span) {
	if r.seen&(1<<m) == 0 {
		return found
	}
	count := 0
	for range r.members(m) {
		count++
	}
	for member := range r.members(m) {
		if found = member; count <= fromRight {
			break
		}
		count--
	}
	return found
}

// members goes over the members of a list that may be spread over several fields. Empty ones do not count (RFC 9110 5.6.1).
func (r *reading) members(m meaning) func(yield func(wire.Span) bool) {
	return func(yield func(wire.Span) bool) {
		for i := range r.fields {
			f := &r.fields[i]
			if t := r.policy.term(f.Name.Of(r.head)); t == nil || t.meaning != m {
				continue
			}
			for at, end := int(f.Value.At), int(f.Value.At)+int(f.Value.Len); at < end; {
				to := end
				if comma := bytes.IndexByte(r.head[at:end], ','); comma >= 0 {
					to = at + comma
				}
				if member := trim(r.head, at, to); member.Len > 0 && !yield(member) {
					return
				}
				at = to + 1
			}
		}
	}
}

// trim returns what is between at and end without the whitespace around it.
func trim(head []byte, at, end int) wire.Span {
	for at < end && (head[at] == ' ' || head[at] == '\t') {
		at++
	}
	for end > at && (head[end-1] == ' ' || head[end-1] == '\t') {
		end--
	}
	return wire.Span{At: uint16(at), Len: uint16(end - at)}
}
