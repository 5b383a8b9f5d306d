package accesslog

import (
	"bytes"
	"strconv"
	"time"
)

// kind is what an atom stands for.
type kind uint8

const (
	// Of the request, rendered by Take.
	kindClient kind = iota
	kindPort
	kindUser
	kindRequestLine
	kindMethod
	kindPathInfo
	kindRawPath
	kindTarget
	kindQuery
	kindProtocol
	kindHost
	kindScheme
	kindScript
	kindHeader
	// Of the reply, rendered by TakeReply.
	kindReplyHeader
	// Known at the end.
	kindConstant
	kindTime
	kindLocalTime
	kindStatus
	kindBytes
	kindBytesNumber
	kindSeconds
	kindMillis
	kindMicros
	kindDecimal
	kindDuration
	kindReplyAfter
	kindPid
	kindWorker
	kindGeneration
	kindRequestID
	kindOutcome
)

// number reports that %(…)d may be written.
func (k kind) number() bool {
	return k == kindBytesNumber || k == kindSeconds || k == kindMillis || k == kindMicros
}

// Request is the head of a request. Its bytes are not kept.
type Request struct {
	Method, Target, Path, Query []byte // no Method: the request line could not be read
	Minor                       uint8  // of HTTP/1
	HTTPS                       bool
	Client, Port                []byte
	Host                        []byte
	Script                      []byte   // SCRIPT_NAME
	Mount                       []byte   // what of the path is no part of PATH_INFO
	Headers                     [][]byte // the values of Format.Headers; nil: there is none
}

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	Served      Outcome = "served"       // the application's reply is with the kernel, complete
	Failed      Outcome = "failed"       // the application or its worker failed, and the front answered
	TimedOut    Outcome = "timed_out"    // the application did not answer in time, or no worker began
	Refused     Outcome = "refused"      // the front answered: the request is malformed, too large, too late, or there was no room
	HealthCheck Outcome = "health_check" // the front answered a health check
	ClientLeft  Outcome = "client_left"  // the client left before it had the whole reply
	Cut         Outcome = "cut"          // the reply had begun, and was broken off
)

// End is how a request ended.
type End struct {
	Now        time.Time
	Status     int
	Sent       int64 // bytes of the body
	Took       time.Duration
	ReplyAfter time.Duration // until there was a reply; 0: there was none
	Pid        int
	Worker     int // -1: none
	Generation int
	ID         uint64 // 0: none
	Boot       string // what all identifiers of this server begin with
	Outcome    Outcome
}

// Note is what a line needs of a head, until the request has ended. It may be used again and again.
type Note struct {
	text []byte
	ends []int // of the text of each run of parts that are taken
	more []byte
	last []int // the same for headers of the reply
}

// NewNote returns a note with room for most heads.
func NewNote() *Note {
	n := &struct {
		Note
		text [512]byte
		ends [24]int
	}{}
	n.Note.text, n.Note.ends = n.text[:0], n.ends[:0]
	return &n.Note
}

// mostKept is how large a note may be to be used again: thousands of clients may send long headers once.
const mostKept = 4 << 10

// Large reports that the note should not be kept for another request.
func (n *Note) Large() bool { return cap(n.text)+cap(n.more) > mostKept }

// Append appends the line of a request that has ended. Take was called with the note, and TakeReply if there was a reply.
func (f *Format) Append(line []byte, n *Note, e *End, clock *Clock) []byte {
	clock.set(e.Now)
	took, next, from := 0, 0, 0
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p.joined:
		case p.kind <= kindHeader:
			line = append(line, n.text[from:n.ends[took]]...)
			from = n.ends[took]
			took++
		case p.kind == kindReplyHeader:
			line = append(line, p.lead...)
			line = n.appendReply(line, next)
			next++
		default:
			if p.optional && e.lacks(p.kind) {
				continue
			}
			line = append(line, p.lead...)
			at := len(line)
			line = p.fit.apply(f.appendKnown(line, p, e, clock), at)
		}
	}
	return append(line, f.end...)
}

func (n *Note) appendReply(line []byte, i int) []byte {
	if i >= len(n.last) {
		return append(line, '-')
	}
	from := 0
	if i > 0 {
		from = n.last[i-1]
	}
	return append(line, n.more[from:n.last[i]]...)
}

// lacks reports that there is nothing to say.
func (e *End) lacks(k kind) bool {
	switch k {
	case kindReplyAfter:
		return e.ReplyAfter == 0
	case kindWorker, kindGeneration:
		return e.Worker < 0
	case kindRequestID:
		return e.ID == 0
	}
	return false
}

// appendKnown renders what is known at the end.
func (f *Format) appendKnown(line []byte, p *part, e *End, clock *Clock) []byte {
	switch p.kind {
	case kindConstant:
		return append(line, p.text...)
	case kindTime:
		return f.quoted(line, clock.appendExact)
	case kindLocalTime:
		return append(line, clock.local...)
	case kindStatus:
		return strconv.AppendInt(line, int64(e.Status), 10)
	case kindBytes, kindBytesNumber:
		return strconv.AppendInt(line, e.Sent, 10)
	case kindPid:
		return append(strconv.AppendInt(append(line, '<'), int64(e.Pid), 10), '>')
	case kindWorker:
		return strconv.AppendInt(line, int64(e.Worker), 10)
	case kindGeneration:
		return strconv.AppendInt(line, int64(e.Generation), 10)
	case kindRequestID:
		return f.quoted(line, e.appendID)
	case kindOutcome:
		return f.quoted(line, func(line []byte) []byte { return append(line, e.Outcome...) })
	}
	return appendSpan(line, p.kind, e)
}

// appendSpan renders a time that something took.
func appendSpan(line []byte, k kind, e *End) []byte {
	micros := max(e.Took.Microseconds(), 0)
	switch k {
	case kindSeconds:
		return strconv.AppendInt(line, micros/1e6, 10)
	case kindMillis:
		return strconv.AppendInt(line, micros/1e3, 10)
	case kindMicros:
		return strconv.AppendInt(line, micros, 10)
	case kindReplyAfter:
		micros = max(e.ReplyAfter.Microseconds(), 0)
	}
	line = append(strconv.AppendInt(line, micros/1e6, 10), '.')
	for unit, rest := int64(1e5), micros%1e6; unit > 0; unit /= 10 {
		line = append(line, byte('0'+rest/unit%10))
	}
	return line
}

// quoted has a word that needs no escapes as text of the format's style.
func (f *Format) quoted(line []byte, word func([]byte) []byte) []byte {
	if f.style != styleJSON {
		return word(line)
	}
	return append(word(append(line, '"')), '"')
}

func (e *End) appendID(line []byte) []byte {
	if e.ID == 0 {
		return append(line, '-')
	}
	return strconv.AppendUint(append(append(line, e.Boot...), '-'), e.ID, 16)
}

// Clock keeps the text of the second in hand.
type Clock struct {
	second       int64
	local        []byte // as gunicorn has it
	exact, after []byte // what goes before and behind the milliseconds
	millis       [4]byte
}

func (c *Clock) set(now time.Time) {
	milli := now.Nanosecond() / 1e6
	c.millis = [4]byte{'.', byte('0' + milli/100), byte('0' + milli/10%10), byte('0' + milli%10)}
	if second := now.Unix(); second != c.second || c.local == nil {
		c.second = second
		c.local = now.AppendFormat(c.local[:0], "[02/Jan/2006:15:04:05 -0700]")
		c.exact = now.AppendFormat(c.exact[:0], "2006-01-02T15:04:05")
		c.after = now.AppendFormat(c.after[:0], "-07:00")
	}
}

func (c *Clock) appendExact(line []byte) []byte {
	return append(append(append(line, c.exact...), c.millis[:]...), c.after...)
}

// Take keeps what the line needs of a head, which may be overwritten afterwards.
func (f *Format) Take(n *Note, r *Request) {
	n.text, n.ends, n.more, n.last = n.text[:0], n.ends[:0], n.more[:0], n.last[:0]
	for i := range f.parts {
		p := &f.parts[i]
		if p.kind > kindHeader {
			continue
		}
		if value := p.value(r); len(value) > 0 || !p.optional {
			n.text = append(n.text, p.lead...)
			at := len(n.text)
			n.text = p.fit.apply(f.appendTaken(n.text, p, r, value), at)
		}
		if !p.joined {
			n.ends = append(n.ends, len(n.text))
		}
	}
}

// appendTaken renders what a request has, or a hyphen where it does not.
func (f *Format) appendTaken(line []byte, p *part, r *Request, value []byte) []byte {
	if p.kind == kindUser {
		at := len(line)
		if line = appendUser(line, value, p.spaces); len(line) == at {
			line = append(line, '-')
		}
		return line
	}
	if value == nil || len(value) == 0 && p.dash {
		return append(line, '-')
	}
	switch p.kind {
	case kindRequestLine:
		line = appendText(line, r.Method, false)
		line = appendText(append(line, ' '), r.Target, false)
		return append(append(line, ' '), protocol(r)...)
	case kindPathInfo:
		return appendPath(line, value, r.Mount, p.spaces)
	}
	switch f.style {
	case styleJSON:
		return appendQuoted(line, value)
	case styleLogfmt:
		return appendWord(line, value)
	}
	return appendText(line, value, p.spaces)
}

// value is what the request has of a kind; nil: nothing.
func (p *part) value(r *Request) []byte {
	switch p.kind {
	case kindClient:
		return orEmpty(r.Client)
	case kindPort:
		return r.Port
	case kindHost:
		return r.Host
	case kindScheme:
		if r.HTTPS {
			return schemes[1]
		}
		return schemes[0]
	case kindScript:
		return orEmpty(r.Script)
	case kindHeader, kindUser:
		if p.index < len(r.Headers) {
			return r.Headers[p.index]
		}
		return nil
	}
	if len(r.Method) == 0 {
		return nil
	}
	switch p.kind {
	case kindMethod, kindRequestLine:
		return r.Method
	case kindPathInfo, kindRawPath:
		return orEmpty(r.Path)
	case kindTarget:
		return r.Target
	case kindQuery:
		return orEmpty(r.Query)
	case kindProtocol:
		return protocol(r)
	}
	return nil
}

// What does not change.
var (
	empty     = []byte{}
	schemes   = [...][]byte{[]byte("http"), []byte("https")}
	protocols = [...][]byte{[]byte("HTTP/1.0"), []byte("HTTP/1.1")}
)

func orEmpty(value []byte) []byte {
	if value == nil {
		return empty
	}
	return value
}

func protocol(r *Request) []byte { return protocols[min(r.Minor, 1)] }

// TakeReply keeps what the line needs of the headers of the reply: lines that end with CRLF, the last one empty. They may change
// while they are read.
func (f *Format) TakeReply(n *Note, head []byte) {
	n.more, n.last = n.more[:0], n.last[:0]
	for i := range f.parts {
		p := &f.parts[i]
		if p.kind != kindReplyHeader {
			continue
		}
		at := len(n.more)
		if value := headerOf(head, f.replies[p.index]); value != nil {
			n.more = appendText(n.more, value, false)
		} else {
			n.more = append(n.more, '-')
		}
		n.more = p.fit.apply(n.more, at)
		n.last = append(n.last, len(n.more))
	}
}

// headerOf is the value of the last header with a name in lower case; nil: there is none.
func headerOf(head []byte, name string) (value []byte) {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, crlf)
		head = rest
		if len(line) > len(name) && line[len(name)] == ':' && sameFold(line[:len(name)], name) {
			value = bytes.Trim(line[len(name)+1:], " \t")
			value = orEmpty(value)
		}
	}
	return value
}

var crlf = []byte("\r\n")

// sameFold reports that name is lower in any case; lower is in lower case.
func sameFold(name []byte, lower string) bool {
	for i := range name {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Is reports that name, in any case, is that of the header.
func (h *Header) Is(name []byte) bool { return len(name) == len(h.Name) && sameFold(name, h.Name) }
