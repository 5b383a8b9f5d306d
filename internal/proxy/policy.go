// Package proxy decides what a proxy in front of us is believed, for every protocol alike: who the client is, by which scheme
// and host it came, and where the application is mounted.
//
// Callers need [New] and [Policy.Apply], which reads a parsed head, and [Protocol.Read] for the PROXY protocol, which precedes
// the first byte of a connection. The package touches no socket, and whoever is not trusted is not read at all: that is for the
// caller to ask, once for each connection, with [Allowed.Trusts].
package proxy

import (
	"slices"
	"strings"

	"speyside.dev/speyside/internal/wire"
)

// Error is a refusal: what the proxy's word lacks, and where the rule stands. Its status is 400.
type Error struct {
	Reason  string
	Section string
}

func (e *Error) Error() string { return e.Reason + " (" + e.Section + ")" }

// What a trusted proxy may not say.
var (
	ErrSchemes   = &Error{"headers of the proxy disagree on the scheme", "secure_scheme_headers"}
	ErrScheme    = &Error{"the proxy names a scheme other than http and https", "RFC 7239 5.4"}
	ErrHost      = &Error{"the proxy names a malformed host", "RFC 9112 3.2"}
	ErrPort      = &Error{"the proxy names a malformed port", "RFC 9110 4.2.1"}
	ErrClient    = &Error{"the proxy names a malformed client address", "RFC 7239 6"}
	ErrMount     = &Error{"the proxy names a path that does not begin with one slash", "RFC 3875 4.1"}
	ErrTwice     = &Error{"the proxy names a path twice", "RFC 9110 5.3"}
	ErrForwarded = &Error{"forwarded is malformed", "RFC 7239 4"}
)

// Family is the one family of headers that says who the client is.
type Family uint8

// The families.
const (
	NoFamily   Family = iota
	XForwarded        // X-Forwarded-For, -Proto, -Host, -Port and -Prefix
	Forwarded         // RFC 7239
)

// Header is a header and the value that it must have.
type Header struct{ Name, Value string }

// Options are what the operator says of the proxies in front.
type Options struct {
	Allowed    Allowed  // the proxies
	Secure     []Header // say https with this value, http with any other
	Forwarders []string // names with an underscore that are believed; "*": all
	Family     Family
}

// Policy is Options in the form in which they are asked. It never changes.
type Policy struct {
	allowed Allowed
	family  Family
	terms   []term
	names   uint64
}

// term is one header that is read.
type term struct {
	name    string // lower case
	meaning meaning
	secure  string // the value that says https, of saysScheme
}

type meaning uint8

const (
	saysScheme meaning = iota
	saysScript
	saysPath
	saysFor
	saysProto
	saysHost
	saysPort
	saysPrefix
	saysForwarded
)

// ofFamily are the headers of each family.
var ofFamily = [...][]term{
	XForwarded: {{"x-forwarded-for", saysFor, ""}, {"x-forwarded-proto", saysProto, ""}, {"x-forwarded-host", saysHost, ""},
		{"x-forwarded-port", saysPort, ""}, {"x-forwarded-prefix", saysPrefix, ""}},
	Forwarded: {{"forwarded", saysForwarded, ""}},
}

// New returns the policy of these options.
func New(o Options) *Policy {
	p := &Policy{allowed: o.Allowed, family: o.Family, terms: slices.Clone(ofFamily[o.Family])}
	for _, s := range o.Secure {
		name := strings.ToLower(s.Name)
		// The other family is never believed, and within its own one the scheme is read as a list.
		if o.Family == Forwarded && strings.HasPrefix(name, "x-forwarded-") || p.has(name) {
			continue
		}
		p.terms = append(p.terms, term{name, saysScheme, s.Value})
	}
	for _, t := range []term{{"script_name", saysScript, ""}, {"path_info", saysPath, ""}} {
		if slices.ContainsFunc(o.Forwarders, func(f string) bool { return f == "*" || strings.EqualFold(f, t.name) }) {
			p.terms = append(p.terms, t)
		}
	}
	for _, t := range p.terms {
		p.names |= wire.NameBit([]byte(t.name))
	}
	return p
}

func (p *Policy) has(name string) bool {
	return slices.ContainsFunc(p.terms, func(t term) bool { return t.name == name })
}

// Allowed are the proxies whose word is believed.
func (p *Policy) Allowed() *Allowed { return &p.allowed }

// Names are the bits of the headers that Apply reads (see wire.NameBit): a head that has none of them needs no Apply.
func (p *Policy) Names() uint64 { return p.names }

// term returns what a header says, or nil.
func (p *Policy) term(name []byte) *term {
	if wire.NameBit(name)&p.names == 0 {
		return nil
	}
	for i := range p.terms {
		if t := &p.terms[i]; len(t.name) == len(name) && strings.EqualFold(t.name, string(name)) {
			return t
		}
	}
	return nil
}
