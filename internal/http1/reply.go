package http1

import (
	"bytes"
	"strconv"
)

// What a front sends as it is.
const (
	Continue  = "HTTP/1.1 100 Continue\r\n\r\n"
	hintsLine = "HTTP/1.1 103 Early Hints\r\n"
	emptyLine = "\r\n\r\n"                // with the line end before it
	ChunkEnd  = "\r\n"                    // after the content of each chunk
	LastChunk = "0\r\n\r\n"               // ends a chunked body without trailers
	HeadSlack = 9 + 3 + 37 + 10 + 24 + 38 // AppendHead's bytes beside Reply.Status and the server text, at most
)

// Reply is what a worker says of its reply, apart from the fields themselves.
type Reply struct {
	Status []byte // the status text, "200 OK"
	Code   int

	// What is among the application's own fields.
	HasLength, HasDate, HasServer bool

	NoBody    bool  // the worker knows the status to allow no body
	Length    int64 // the application's Content-Length, if HasLength
	BodyKnown bool  // all of the body is there already
	BodySize  int64 // its size, if BodyKnown
}

// RequestFacts is what a reply's framing depends on. A server that drains says KeepAlive false.
type RequestFacts struct {
	Minor     uint8
	HeadOnly  bool
	KeepAlive bool
}

// Framing is how a reply is delimited.
type Framing struct {
	Chunked   bool // each piece of the body goes between AppendChunkHead and ChunkEnd, LastChunk at the end
	KeepAlive bool // the connection stays open after the reply
	NoBody    bool // no byte of the body is sent, whatever the application produces
	AddLength bool // AppendHead writes Content-Length from BodySize, or 0 with 205
}

// Frame decides how a reply is delimited (RFC 9112 6.3). A body of unknown length is chunked for HTTP/1.1 and ends
// with the connection for HTTP/1.0.
//
// 205 has no content and says so with a length of 0 (RFC 9110 15.3.6).
//
// An application's own Content-Length is believed; when the whole body is known to be shorter the connection closes
// after it, and it is for the front to cut a longer one.
func Frame(q RequestFacts, r *Reply) Framing {
	f := Framing{KeepAlive: q.KeepAlive}
	switch {
	case r.Code == 205:
		f.NoBody = true
		f.AddLength = !r.HasLength
	case r.NoBody || r.Code < 200 || r.Code == 204 || r.Code == 304:
		f.NoBody = true
		f.KeepAlive = f.KeepAlive && r.Code >= 200 // after an interim reply the client would wait for another
	case q.HeadOnly:
		f.NoBody = true
		// An empty body here says nothing of the one that GET would bring (RFC 9110 8.6).
		f.AddLength = !r.HasLength && r.BodyKnown && r.BodySize > 0
	case r.HasLength:
		f.KeepAlive = f.KeepAlive && !(r.BodyKnown && r.BodySize < r.Length)
	case r.BodyKnown:
		f.AddLength = true
	case q.Minor > 0:
		f.Chunked = true
	default:
		f.KeepAlive = false
	}
	return f
}

// AppendHead appends the status line and the front's own fields: Date and Server unless the application gave them,
// and what f asks for. The application's fields and the empty line follow, and are not its business. It writes at
// most HeadSlack + len(r.Status) + len(server) bytes. An empty server leaves the field out.
func AppendHead(dst []byte, minor uint8, r *Reply, f Framing, date []byte, server string) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, r.Status...)
	if len(r.Status) == 3 {
		dst = append(dst, ' ') // goes before the reason even if there is none (RFC 9112 4)
	}
	dst = append(dst, "\r\n"...)
	if !r.HasDate {
		dst = appendField(dst, "Date: ", date)
	}
	if !r.HasServer && server != "" {
		dst = append(dst, "Server: "...)
		dst = append(dst, server...)
		dst = append(dst, "\r\n"...)
	}
	switch {
	case !f.KeepAlive:
		dst = append(dst, "Connection: close\r\n"...)
	case minor == 0:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	switch {
	case f.Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case f.AddLength:
		size := r.BodySize
		if r.Code == 205 {
			size = 0
		}
		dst = appendLength(dst, size)
	}
	return dst
}

// AppendHints appends an interim reply (RFC 8297) for each run of fields with its empty line.
func AppendHints(dst, hints []byte) []byte {
	for {
		end := bytes.Index(hints, []byte(emptyLine))
		if end < 0 {
			return dst
		}
		end += len(emptyLine)
		dst = append(dst, hintsLine...)
		dst = append(dst, hints[:end]...)
		hints = hints[end:]
	}
}

func appendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendChunkHead appends the line that goes before n bytes of a chunk. n is not 0: that would end the body.
func AppendChunkHead(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// retryAfter is when a client may try again after a 503 (RFC 9110 10.2.3): what is full now may have room then.
const retryAfter = "Retry-After: 5\r\n"

// allow is what may be asked of the resources that are the front's own (RFC 9110 15.5.6).
const allow = "Allow: GET, HEAD\r\n"

// AppendError appends a whole reply that the front gives by itself, after which the connection closes. text is the
// body, for a person to read.
func AppendError(dst []byte, status int, text string, date []byte, server string, headOnly bool) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, Reason(status)...)
	dst = append(dst, "\r\n"...)
	dst = appendField(dst, "Date: ", date)
	if server != "" {
		dst = append(dst, "Server: "...)
		dst = append(dst, server...)
		dst = append(dst, "\r\n"...)
	}
	switch status {
	case 405:
		dst = append(dst, allow...)
	case 503:
		dst = append(dst, retryAfter...)
	}
	dst = append(dst, "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"...)
	dst = appendLength(dst, int64(len(text)))
	dst = append(dst, "\r\n"...)
	if headOnly {
		return dst
	}
	return append(dst, text...)
}

// Reason returns the reason phrase of the statuses that a front gives by itself (RFC 9110 15, RFC 6585), else "".
func Reason(status int) string {
	switch status {
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 408:
		return "Request Timeout"
	case 411:
		return "Length Required"
	case 413:
		return "Content Too Large"
	case 414:
		return "URI Too Long"
	case 417:
		return "Expectation Failed"
	case 421:
		return "Misdirected Request"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	}
	return ""
}
