package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"sort"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/wire"
)

// The parser beside net/http's ReadRequest: what one serves and the other does not, or serves otherwise, is fixed or
// stands here with its reason.

// stricter are our refusals of what net/http takes.
var stricter = map[*Error]string{
	ErrBareLF:         "net/http takes a bare LF as a line end, which others do not see",
	ErrRequestLine:    "net/http takes CONNECT with an empty target",
	ErrConnect:        "net/http leaves the choice to the handler, and we are no proxy",
	ErrMethodLong:     "net/http takes a method of any length",
	ErrTarget:         "net/http parses any URL, of any scheme",
	ErrFragment:       "net/http keeps the fragment in the target",
	ErrAuthority:      "net/http takes an empty host in a target, and user information",
	ErrAsterisk:       "net/http takes an asterisk with any method",
	ErrFold:           "net/http unfolds, where the RFC lets a server choose",
	ErrNameSpace:      "net/http keeps the space in the name, where its Server refuses it later",
	ErrTooManyFields:  "net/http bounds the bytes only, and in its Server",
	ErrHostMissing:    "net/http's Server refuses it later",
	ErrHost:           "net/http's Server looks for odd characters only",
	ErrExpect:         "net/http's Server answers 417 later",
	ErrLength:         "net/http unfolds first",
	ErrLengthRepeated: "net/http takes equal ones, where the RFC lets a server choose",
	ErrLengthChunked:  "net/http lets chunked win and drops the length, where the RFC lets a server choose",
	ErrCodingOld:      "net/http ignores the coding in HTTP/1.0 and serves the chunks as another request",
	ErrCoding:         "net/http ignores the field in HTTP/1.0, malformed",
	ErrCodingUnknown:  "net/http ignores the field in HTTP/1.0, with a coding it does not have",
	ErrCodingOrder:    "net/http ignores the field in HTTP/1.0, with chunked twice",
	ErrChunkSize:      "net/http trims whitespace after a size",
	ErrChunkLine:      "net/http does not look at extensions",
	ErrChunkExtension: "net/http bounds extensions by the content that comes with them",
	ErrTrailer:        "net/http reads trailers by its laxer rules for fields",
	ErrTrailerLong:    "net/http bounds trailers by its read buffer",
}

// A laxer entry is what net/http refuses, by a part of its error, and we serve.
var laxer = []struct{ text, why string }{
	{"malformed HTTP request \"\"", "one empty line before a request is skipped, as RFC 9112 2.2 asks"},
	{"invalid URL escape", "percent signs are for the application, as in other WSGI servers"},
}

// otherwise are the facts in which requests that both serve may differ.
var otherwise = []struct {
	fact, why string
	allowed   func(head []byte, h *wire.Head) bool
}{
	{"version", "a higher minor version is served as the highest that we know (RFC 9110 2.5)",
		func(head []byte, h *wire.Head) bool { return h.Minor == 1 }},
	{"fields", "net/http makes Cache-Control of Pragma",
		func(head []byte, _ *wire.Head) bool {
			return bytes.Contains(bytes.ToLower(head), []byte("\r\npragma:"))
		}},
}

// A request is one whole request as a reader understands it.
type request struct {
	Method, Target, Host string
	Minor                int
	Fields               string // names in canonical form, sorted; without Host and those of framing
	Body                 string
	Close                bool
	Rest                 string // what follows it
}

// ours reads one request. h and head are there when the head was complete.
func ours(input []byte) (r *request, h *wire.Head, head []byte, err *Error) {
	var p Parser
	h = &wire.Head{Fields: make([]wire.Field, 0, 128)}
	n, err := p.Parse(input, &Limits{}, h)
	if err != nil || n == 0 {
		return nil, nil, nil, err
	}
	head = input[:n]
	r = &request{Method: string(h.Method.Of(head)), Target: string(h.Target.Of(head)), Host: string(h.Host.Of(head)),
		Minor: int(h.Minor), Close: !h.KeepAlive}
	var fields []string
	for _, f := range h.Fields {
		fields = append(fields, shown(string(f.Name.Of(head)), string(f.Value.Of(head)))...)
	}
	sort.Strings(fields)
	r.Fields = strings.Join(fields, "\n")
	var b Body
	b.Reset(h)
	for rest := input[n:]; ; {
		data, n, done, err := b.Decode(rest)
		if err != nil {
			return nil, h, head, err
		}
		r.Body += string(data)
		rest = rest[n:]
		if done {
			r.Rest = string(rest)
			return r, h, head, nil
		}
		if n == 0 {
			return nil, h, head, nil
		}
	}
}

// theirs reads one request with net/http. Incomplete ones are errors.
func theirs(input []byte) (*request, error) {
	reader := bufio.NewReaderSize(bytes.NewReader(input), 1<<17)
	q, err := http.ReadRequest(reader)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	if err := q.Body.Close(); err != nil {
		return nil, err
	}
	r := &request{Method: q.Method, Target: q.RequestURI, Host: q.Host, Minor: q.ProtoMinor, Body: string(body),
		Close: q.Close}
	if q.ProtoMajor != 1 {
		return nil, errors.New("not version 1")
	}
	var fields []string
	for name, values := range q.Header {
		for _, value := range values {
			fields = append(fields, shown(name, value)...)
		}
	}
	sort.Strings(fields)
	r.Fields = strings.Join(fields, "\n")
	rest, _ := io.ReadAll(reader)
	r.Rest = string(rest)
	return r, nil
}

// shown is a field as both tell it, or nothing for those that only one of them hands on.
func shown(name, value string) []string {
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Host", "Transfer-Encoding", "Content-Length", "Connection", "Trailer":
		return nil
	}
	if strings.Contains(name, "_") {
		return nil // ours are dropped: as environ keys they would be spoofed ones with hyphens
	}
	return []string{name + ": " + value}
}

// disagreements compares the two readings of input and returns what no table explains; noted is told each entry used.
func disagreements(input []byte, noted func(why string)) (found []string) {
	mine, h, head, refusal := ours(input)
	other, err := theirs(input)
	switch {
	case mine == nil && other == nil:
	case mine == nil && refusal == nil:
		found = append(found, fmt.Sprintf("we wait, net/http serves %+v", *other))
	case mine == nil:
		if why, ok := stricter[refusal]; ok {
			noted(why)
			return nil
		}
		found = append(found, fmt.Sprintf("we refuse (%v), net/http serves %+v", refusal, *other))
	case other == nil:
		for _, l := range laxer {
			if strings.Contains(err.Error(), l.text) {
				noted(l.why)
				return nil
			}
		}
		found = append(found, fmt.Sprintf("net/http refuses (%v), we serve %+v", err, *mine))
	default:
		for _, d := range differing(mine, other) {
			explained := false
			for _, o := range otherwise {
				if o.fact == d && o.allowed(head, h) {
					explained = true
					noted(o.why)
				}
			}
			if !explained {
				found = append(found, fmt.Sprintf("%s: we say %+v, net/http %+v", d, *mine, *other))
			}
		}
	}
	return found
}

func differing(a, b *request) (facts []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"method", a.Method == b.Method}, {"target", a.Target == b.Target}, {"host", a.Host == b.Host},
		{"version", a.Minor == b.Minor}, {"fields", a.Fields == b.Fields}, {"body", a.Body == b.Body},
		{"close", a.Close == b.Close}, {"rest", a.Rest == b.Rest},
	} {
		if !f.same {
			facts = append(facts, f.name)
		}
	}
	return facts
}

func TestDisagreementsWithNetHTTPAreListed(t *testing.T) {
	used := map[string]bool{}
	for _, c := range corpus(t) {
		for _, d := range disagreements(c.input, func(why string) { used[why] = true }) {
			t.Errorf("%s: %.400q", c.name, d)
		}
	}
	for _, why := range stricter {
		if !used[why] {
			t.Errorf("no case of tests/requests shows it any more: %s", why)
		}
	}
	for _, l := range laxer {
		if !used[l.why] {
			t.Errorf("no case of tests/requests shows it any more: %s", l.why)
		}
	}
	for _, o := range otherwise {
		if !used[o.why] {
			t.Errorf("no case of tests/requests shows it any more: %s", o.why)
		}
	}
}

// FuzzAgainstNetHTTP: whatever comes, both readers see the same request, or a table above says why not.
func FuzzAgainstNetHTTP(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.input)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, d := range disagreements(input, func(string) {}) {
			t.Errorf("%.800q", d)
		}
	})
}
