package http1

// Error is a refusal: what the client did wrong, and where the rule stands. The status is the one to answer with, and
// the connection must be closed afterwards, because nobody can say where the next request begins.
type Error struct {
	Status  int
	Reason  string // one short lower-case sentence
	Section string // of the RFC, for instance "RFC 9112 6.3"
}

func (e *Error) Error() string { return e.Reason + " (" + e.Section + ")" }

// Refusals of line ends and characters, wherever in the head they are found.
var (
	ErrBareLF  = &Error{400, "line feed without carriage return", "RFC 9112 2.2"}
	ErrBareCR  = &Error{400, "carriage return without line feed", "RFC 9112 2.2"}
	ErrControl = &Error{400, "control character in the head", "RFC 9110 5.5"}
)

// Refusals of a request line.
var (
	ErrStart        = &Error{400, "request does not begin with a method", "RFC 9112 3"}
	ErrRequestLine  = &Error{400, "request line is not method, target and version with one space between", "RFC 9112 3"}
	ErrMethod       = &Error{400, "method is not a token", "RFC 9110 9.1"}
	ErrMethodLong   = &Error{501, "method is longer than any known", "RFC 9112 3"}
	ErrConnect      = &Error{501, "this server is not a proxy", "RFC 9110 9.3.6"}
	ErrLineLong     = &Error{414, "request line is too long", "RFC 9112 3"}
	ErrTarget       = &Error{400, "request target is malformed", "RFC 9112 3.2"}
	ErrFragment     = &Error{400, "request target has a fragment", "RFC 9112 3.2.1"}
	ErrAuthority    = &Error{400, "request target has no proper host", "RFC 9110 4.2.1"}
	ErrAsterisk     = &Error{400, "asterisk as target of another method than options", "RFC 9112 3.2.4"}
	ErrVersion      = &Error{400, "http version is malformed", "RFC 9112 2.3"}
	ErrVersionMajor = &Error{505, "http version is not supported", "RFC 9110 15.6.6"}
)

// Refusals of fields.
var (
	ErrFold          = &Error{400, "field line begins with whitespace", "RFC 9112 5.2"}
	ErrName          = &Error{400, "field name is not a token", "RFC 9110 5.1"}
	ErrUnderscore    = &Error{400, "an underscore in a field name", "PEP 3333"}
	ErrNameSpace     = &Error{400, "whitespace between field name and colon", "RFC 9112 5.1"}
	ErrFieldLong     = &Error{431, "field is too long", "RFC 6585 5"}
	ErrTooManyFields = &Error{431, "too many fields", "RFC 6585 5"}
	ErrHeadLong      = &Error{431, "head is too long", "RFC 6585 5"}
	ErrHostMissing   = &Error{400, "host is missing", "RFC 9112 3.2"}
	ErrHostRepeated  = &Error{400, "host is given twice", "RFC 9112 3.2"}
	ErrHost          = &Error{400, "host is malformed", "RFC 9112 3.2"}
	ErrExpect        = &Error{417, "expectation is not 100-continue", "RFC 9110 10.1.1"}
)

// Refusals of the body's framing, as the head announces it.
var (
	ErrLength         = &Error{400, "content-length is not a number", "RFC 9112 6.3"}
	ErrLengthRepeated = &Error{400, "content-length is given twice", "RFC 9112 6.3"}
	ErrLengthLarge    = &Error{413, "content-length is beyond any bound", "RFC 9110 8.6"}
	ErrLengthChunked  = &Error{400, "content-length beside transfer-encoding", "RFC 9112 6.3"}
	ErrCoding         = &Error{400, "transfer-encoding is malformed", "RFC 9112 6.1"}
	ErrCodingUnknown  = &Error{501, "transfer coding is not chunked", "RFC 9112 6.1"}
	ErrCodingOrder    = &Error{400, "chunked is not the last transfer coding, or given twice", "RFC 9112 6.3"}
	ErrCodingOld      = &Error{400, "transfer-encoding with http/1.0", "RFC 9112 6.1"}
)

// Refusals of a chunked body.
var (
	ErrChunkSize      = &Error{400, "chunk size is malformed", "RFC 9112 7.1"}
	ErrChunkLarge     = &Error{413, "chunk size is beyond any bound", "RFC 9112 7.1"}
	ErrChunkLine      = &Error{400, "chunk size line does not end properly", "RFC 9112 7.1"}
	ErrChunkLineLong  = &Error{400, "chunk size line is too long", "RFC 9112 7.1.1"}
	ErrChunkExtension = &Error{400, "chunk extensions are too long in total", "RFC 9112 7.1.1"}
	ErrChunkEnd       = &Error{400, "chunk does not end with a line end", "RFC 9112 7.1"}
	ErrTrailer        = &Error{400, "trailer is malformed", "RFC 9112 7.1.2"}
	ErrTrailerLong    = &Error{431, "trailers are too long in total", "RFC 9112 7.1.2"}
)
