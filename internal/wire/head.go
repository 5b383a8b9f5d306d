// Package wire is the contract between front and workers: the layout of the segment they share (PROTOCOL.md tells how it is
// used) and the shape in which every protocol describes a request.
//
// Most callers need [Head]. The package holds declarations only: it maps no memory and runs no protocol.
package wire

// Span is a run of bytes within a request's head. A head has at most MaxHead bytes, so 16 bits hold any offset.
type Span struct{ At, Len uint16 }

// Of returns the bytes that s names in head. The caller vouches for the bounds.
func (s Span) Of(head []byte) []byte { return head[s.At : int(s.At)+int(s.Len)] }

// Field is one header field of a request (RFC 9112 section 5): eight bytes, laid out as the segment's field table.
type Field struct{ Name, Value Span }

// NameBit is one of 64 bits by which a field name, not empty and in any case, may be told: what is not among the bits of a
// head's names is not in the head.
func NameBit(name []byte) uint64 {
	n := len(name)
	kind := uint(name[0]|0x20) + uint(name[n/2]|0x20)<<1 + uint(name[n-1]|0x20)<<2 + uint(n)*5
	return 1 << (kind & 63)
}

// Head is what a protocol knows of a request once its head is complete. Every protocol fills the same shape.
// Spans are offsets in the head's bytes, which the caller keeps beside it.
type Head struct {
	Method Span
	Target Span // as received (RAW_URI)
	Path   Span // of the target, still percent-encoded, without the query; empty for *
	Query  Span // without the question mark
	Host   Span // the authority that counts: of the absolute-form target, else the Host field's value
	Minor  uint8
	// Fields holds the fields handed to the application, in order. The parser appends up to its capacity, which
	// the caller sets by the memory it provides.
	Fields []Field
	Names  uint64 // NameBit of each of them
	// Dropped counts fields that were left out of Fields because their name has an underscore.
	Dropped     int
	DroppedName Span // the last of them

	ContentLength int64 // -1 when the request has none
	Chunked       bool  // Transfer-Encoding: chunked
	KeepAlive     bool  // the connection may carry another request after this one
	Continue      bool  // Expect: 100-continue, from HTTP/1.1
	HeadOnly      bool  // the method is HEAD
	Escaped       bool  // Path contains a percent sign
	Repeated      bool  // two fields of Fields may have the same name (false is certain, true is not)
}

// Origin is where a request came from, as the application is told, when that is not simply the connection's other end. The
// protocol that was spoken does not matter. Spans are offsets in the head's bytes.
type Origin struct {
	HTTPS bool

	Peer []byte // text of the address that is connected with us; empty on a Unix socket
	Addr []byte // text of the client's address; empty where nobody knows it
	Port []byte // text of its port, likewise

	Host       Span   // HTTP_HOST, in place of the Host field; empty: no other
	HostName   uint16 // bytes of Host that are SERVER_NAME
	HostPort   bool   // ServerPort belongs behind Host
	ServerPort uint16 // SERVER_PORT; 0: the listener's

	Script    Span // SCRIPT_NAME, if HasScript
	HasScript bool
	WholePath bool // the path is PATH_INFO as it stands: SCRIPT_NAME is not cut off

	Text [64]byte // room for Addr and Port
}
