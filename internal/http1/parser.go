package http1

import (
	"encoding/binary"
	"math"
	"math/bits"

	"speyside.dev/speyside/internal/wire"
)

// Limits bounds what a client may send in a head, beside wire.MaxHead, which always holds. They are gunicorn's
// limit_request_line, limit_request_fields and limit_request_field_size, without their line ends. 0 means no further
// bound.
type Limits struct {
	Line, Fields, FieldSize int
	Underscores             Underscores // what becomes of names with an underscore
	Kept                    []string    // names with one that are handed to the application in any case; "*": all
}

// Underscores says what becomes of a field whose name has an underscore: in the environ it could pass for one with a hyphen.
type Underscores uint8

// The values of gunicorn's header_map.
const (
	DropUnderscores   Underscores = iota // leave the field out
	RefuseUnderscores                    // refuse the request
	KeepUnderscores                      // hand it to the application
)

// longestLength is the largest Content-Length that can be added to a head's length.
const longestLength = math.MaxInt64 - wire.MaxHead

// Phases of a Parser.
const (
	atStart  = iota // nothing consumed; one empty line may come first
	atLine          // within the request line
	atFields        // within the fields
)

// Parser reads one request head, in as many pieces as it comes. The zero value is ready; Reset makes it so again.
// It keeps offsets only, never memory.
type Parser struct {
	at    int // where the current line starts
	seen  int // no line end before this offset
	count int // fields so far, the dropped ones too

	phase uint8

	absolute bool // the target brought its own authority
	host     bool // a Host field was seen
	length   bool // a Content-Length field was seen
	close    bool // Connection: close
	keep     bool // Connection: keep-alive
}

// Reset makes p ready for the next head.
func (p *Parser) Reset() { *p = Parser{} }

// LineRead reports that the request line was read, and found to be one.
func (p *Parser) LineRead() bool { return p.phase == atFields }

// Parse reads a head from buf, which begins at the head's first byte and holds all that has come so far; between two
// calls it may grow and move. It returns the head's length with the empty line, or 0 when more is needed. One empty
// line before the head is skipped and counts as part of it (RFC 9112 2.2).
//
// h must be the same between calls, or a copy. Its Fields come empty, and as many are filled in as they have capacity;
// the caller may copy them to a larger slice between calls.
//
// Bytes after the head are not looked at. After a refusal or a complete head, Reset comes first.
func (p *Parser) Parse(buf []byte, limits *Limits, h *wire.Head) (n int, err *Error) {
	if p.phase == atStart {
		if more, err := p.start(buf, h); more || err != nil {
			return 0, err
		}
	}
	if p.phase == atLine {
		cr, err := p.lineEnd(buf, limits.Line, ErrLineLong)
		if err == ErrLineLong && methodLong(buf[p.at:]) {
			err = ErrMethodLong
		}
		if cr < 0 || err != nil {
			return 0, err
		}
		if err := p.requestLine(buf[:cr], h); err != nil {
			return 0, err
		}
		p.at, p.seen, p.phase = cr+2, cr+2, atFields
	}
	for {
		cr, err := p.lineEnd(buf, limits.FieldSize, ErrFieldLong)
		if cr < 0 || err != nil {
			return 0, err
		}
		if cr == p.at {
			if err := p.finish(h); err != nil {
				return 0, err
			}
			return cr + 2, nil
		}
		if p.count++; p.count > limits.Fields && limits.Fields > 0 {
			return 0, ErrTooManyFields
		}
		if err := p.field(buf[:cr], limits, h); err != nil {
			return 0, err
		}
		p.at, p.seen = cr+2, cr+2
	}
}

// start skips one empty line and looks at the first byte, so that a client that speaks another protocol is refused
// before it has sent a line.
func (p *Parser) start(buf []byte, h *wire.Head) (more bool, err *Error) {
	*h = wire.Head{Fields: h.Fields[:0], ContentLength: -1} // first: a refusal is no reply to the request before
	at := 0
	if len(buf) > 0 && buf[0] == '\r' {
		if len(buf) > 1 && buf[1] != '\n' {
			return false, ErrBareCR
		}
		at = 2
	}
	if len(buf) <= at {
		return true, nil
	}
	if class[buf[at]]&isToken == 0 {
		return false, ErrStart
	}
	p.at, p.seen, p.phase = at, at, atLine
	return false, nil
}

// lineEnd finds the CR of the CRLF that ends the line at p.at, or -1 when it has not come yet. A line of more than
// size bytes is refused as tooLong; the check needs only the bytes within the limit, so it does not matter how many
// have come. All control characters are refused here, but HTAB, which is for the caller to judge.
func (p *Parser) lineEnd(buf []byte, size int, tooLong *Error) (cr int, err *Error) {
	window := wire.MaxHead - 1 // the LF must still fit
	if size > 0 && size < window-p.at {
		window = p.at + size + 1
	} else {
		tooLong = ErrHeadLong
	}
	end := min(len(buf), window)
	for i := p.seen; ; i++ {
		if i = control(buf, i, end); i >= end {
			if end == window {
				return -1, tooLong
			}
			p.seen = i
			return -1, nil
		}
		switch {
		case buf[i] == '\t':
			continue
		case buf[i] == '\n':
			return -1, ErrBareLF
		case buf[i] != '\r':
			return -1, ErrControl
		case i+1 == len(buf):
			p.seen = i
			return -1, nil
		case buf[i+1] != '\n':
			return -1, ErrBareCR
		}
		return i, nil
	}
}

// control returns the offset of the first byte of buf[i:end] that is below SP or DEL, else end (or i, if that is
// beyond). It looks at eight bytes at a time: in each sum below the lowest high bit that is set marks a match exactly;
// a borrow can only add wrong ones above it.
func control(buf []byte, i, end int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= end; i += 8 {
		w := binary.LittleEndian.Uint64(buf[i : i+8])
		del := w ^ 0x7f*ones
		if m := ((w-' '*ones)&^w | (del-ones)&^del) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < end; i++ {
		if c := buf[i]; c < ' ' || c == 0x7f {
			return i
		}
	}
	return i
}

// finish checks what only the whole head can tell.
func (p *Parser) finish(h *wire.Head) *Error {
	switch {
	case !p.host && h.Minor > 0:
		return ErrHostMissing
	case h.Chunked && p.length:
		return ErrLengthChunked
	case h.Chunked && h.Minor == 0:
		return ErrCodingOld
	case h.ContentLength > longestLength:
		return ErrLengthLarge
	}
	h.KeepAlive = !p.close && (h.Minor > 0 || p.keep)
	return nil
}
