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
