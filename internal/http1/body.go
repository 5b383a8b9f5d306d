package http1

import (
	"math"

	"speyside.dev/speyside/internal/wire"
)

// Bounds of a chunked body's framing. The body itself is for the caller to bound.
const (
	longestSizeLine   = 4096      // one chunk's size with its extensions
	longestExtensions = 16 * 1024 // all chunk extensions of a request
	longestTrailers   = 16 * 1024 // all trailers of a request
)

// States of a Body. The chunked ones follow the grammar of RFC 9112 7.1:
//
//	sizeStart ─► size ─┬──────────────► sizeLF ─► chunk ─► chunkCR ─► chunkLF ─► sizeStart
//	                   └► extension … ─┘  └ of size 0 ─► trailerStart ─► … ─► lastLF ─► complete
const (
	complete        = iota // nothing more to come
	fixed                  // left bytes to come
	sizeStart              // first digit of a chunk size
	size                   // further digits
	extension              // from the semicolon to a name, as extension.go has it
	extensionName          // in a name
	extensionNamed         // whitespace after a name
	extensionEqual         // from the equals sign to a value
	extensionToken         // in a value without quotes
	extensionQuote         // in a value with quotes
	extensionSlash         // after a backslash in quotes
	extensionQuoted        // after the closing quote
	extensionEnded         // whitespace after a value
	sizeLF
	chunk // left bytes of a chunk to come
	chunkCR
	chunkLF
	trailerStart // first byte of a trailer, or the CR of the last line
	trailerName
	trailerValue
	trailerLF
	lastLF
)

// Body takes the framing off a request's body. The zero value is the body of a request that has none.
type Body struct {
	left       int64 // bytes to come of the body, or of this chunk
	length     int64 // -1 when only the end will tell
	line       int   // bytes of this chunk's size line so far
	extensions int   // bytes of extensions so far
	trailers   int   // bytes of trailers so far
	state      uint8
}

// Reset makes b ready for the body that h announces (RFC 9112 6.3).
func (b *Body) Reset(h *wire.Head) {
	switch {
	case h.Chunked:
		*b = Body{state: sizeStart, length: -1}
	case h.ContentLength > 0:
		*b = Body{state: fixed, length: h.ContentLength, left: h.ContentLength}
	default:
		*b = Body{}
	}
}

// Length returns the body's length, and whether the head told it: a chunked one shows its length at its end only.
func (b *Body) Length() (int64, bool) { return max(b.length, 0), b.length >= 0 }

// Decode consumes bytes of in: n is how many, data the part of them that is content (a piece of in), and done says
// that the body is complete, with its trailers, which are checked and thrown away. Call it with what is left of in
// until n is 0 or done. Without input it says whether the body is complete already. After a refusal b is of no
// further use until Reset.
func (b *Body) Decode(in []byte) (data []byte, n int, done bool, err *Error) {
	for b.state != complete && n < len(in) {
		switch b.state {
		case fixed, chunk:
			k := len(in) - n
			if int64(k) >= b.left {
				k = int(b.left)
				b.state = afterContent(b.state)
			}
			b.left -= int64(k)
			return in[n : n+k : n+k], n + k, b.state == complete, nil
		case trailerStart, trailerName, trailerValue, trailerLF, lastLF:
			err = b.trailer(in[n])
		case chunkCR, chunkLF:
			err = b.chunkEnd(in[n])
		default:
			err = b.sizeLine(in[n])
		}
		if err != nil {
			return nil, n, false, err
		}
		n++
	}
	return nil, n, b.state == complete, nil
}

// afterContent is the state that follows the last byte of content in state s.
func afterContent(s uint8) uint8 {
	if s == chunk {
		return chunkCR
	}
	return complete
}

// sizeLine takes one byte of
//
//	chunk-size [ chunk-ext ] CRLF
//
// No whitespace before the extensions, and no line end but CRLF: others have disagreed on both.
func (b *Body) sizeLine(c byte) *Error {
	if b.line++; b.line > longestSizeLine {
		return ErrChunkLineLong
	}
	switch {
	case b.state <= size && class[c]&isHex != 0:
		if b.left > math.MaxInt64>>4 {
			return ErrChunkLarge
		}
		b.left, b.state = b.left<<4|int64(digit(c)), size
	case b.state == sizeStart:
		return ErrChunkSize
	case b.state == sizeLF && c == '\n':
		b.line, b.state = 0, chunk
		if b.left == 0 {
			b.state = trailerStart
		}
	case b.state == sizeLF:
		return ErrChunkLine
	case b.state > size:
		return b.extension(c)
	case c == '\r':
		b.state = sizeLF
	case c == ';':
		b.state = extension
	default:
		return ErrChunkSize
	}
	return nil
}

// digit returns the value of a hexadecimal digit: letters have bit 6 set and their value less nine in the low bits.
func digit(c byte) byte { return c&0x0f + c>>6*9 }

// chunkEnd takes one byte of the CRLF after a chunk's content.
func (b *Body) chunkEnd(c byte) *Error {
	switch {
	case b.state == chunkCR && c == '\r':
		b.state = chunkLF
	case b.state == chunkLF && c == '\n':
		b.state = sizeStart
	default:
		return ErrChunkEnd
	}
	return nil
}

// trailer takes one byte of
//
//	*( field-line CRLF ) CRLF
//
// under the same rules as the fields of a head.
func (b *Body) trailer(c byte) *Error {
	if b.trailers++; b.trailers > longestTrailers {
		return ErrTrailerLong
	}
	switch {
	case b.state == lastLF && c == '\n':
		b.state = complete
	case b.state == trailerLF && c == '\n':
		b.state = trailerStart
	case b.state == trailerStart && c == '\r':
		b.state = lastLF
	case b.state == trailerValue && c == '\r':
		b.state = trailerLF
	case b.state == trailerValue && class[c]&isValue != 0:
	case b.state == trailerName && c == ':':
		b.state = trailerValue
	case b.state <= trailerName && class[c]&isToken != 0:
		b.state = trailerName
	default:
		return ErrTrailer
	}
	return nil
}
