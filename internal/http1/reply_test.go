package http1

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

var imfDate = []byte("Sun, 06 Nov 1994 08:49:37 GMT")

func TestFramingFollowsTheRequestAndTheStatus(t *testing.T) {
	new, old := RequestFacts{Minor: 1, KeepAlive: true}, RequestFacts{KeepAlive: true}
	head := RequestFacts{Minor: 1, KeepAlive: true, HeadOnly: true}
	closing := RequestFacts{Minor: 1}
	for _, c := range []struct {
		name string
		q    RequestFacts
		r    Reply
		want Framing
	}{
		{"unknown length is chunked", new, Reply{Code: 200}, Framing{Chunked: true, KeepAlive: true}},
		{"unknown length in 1.0 ends with the connection", old, Reply{Code: 200}, Framing{}},
		{"unknown length is chunked on a closing connection too", closing, Reply{Code: 200}, Framing{Chunked: true}},
		{"known body gets its length", new, Reply{Code: 200, BodyKnown: true, BodySize: 5}, Framing{KeepAlive: true, AddLength: true}},
		{"known empty body gets its length", new, Reply{Code: 200, BodyKnown: true}, Framing{KeepAlive: true, AddLength: true}},
		{"known body in 1.0 keeps the connection", old, Reply{Code: 200, BodyKnown: true, BodySize: 5}, Framing{KeepAlive: true, AddLength: true}},
		{"the application's length is enough", new, Reply{Code: 200, HasLength: true, Length: 5}, Framing{KeepAlive: true}},
		{"the application's length is enough in 1.0", old, Reply{Code: 200, HasLength: true, Length: 5}, Framing{KeepAlive: true}},
		{"a body shorter than promised closes", new, Reply{Code: 200, HasLength: true, Length: 5, BodyKnown: true, BodySize: 4}, Framing{}},
		{"a body longer than promised does not", new, Reply{Code: 200, HasLength: true, Length: 5, BodyKnown: true, BodySize: 6}, Framing{KeepAlive: true}},
		{"HEAD has no body", head, Reply{Code: 200}, Framing{KeepAlive: true, NoBody: true}},
		{"HEAD keeps the application's length", head, Reply{Code: 200, HasLength: true, Length: 5, BodyKnown: true}, Framing{KeepAlive: true, NoBody: true}},
		{"HEAD tells the length of a body that was made", head, Reply{Code: 200, BodyKnown: true, BodySize: 5}, Framing{KeepAlive: true, NoBody: true, AddLength: true}},
		{"HEAD makes up no length", head, Reply{Code: 200, BodyKnown: true}, Framing{KeepAlive: true, NoBody: true}},
		{"204 has no body and no length", new, Reply{Code: 204, BodyKnown: true, BodySize: 5}, Framing{KeepAlive: true, NoBody: true}},
		{"205 has no body and says so", new, Reply{Code: 205, NoBody: true}, Framing{KeepAlive: true, NoBody: true, AddLength: true}},
		{"205 is never chunked", new, Reply{Code: 205}, Framing{KeepAlive: true, NoBody: true, AddLength: true}},
		{"304 has no body", new, Reply{Code: 304}, Framing{KeepAlive: true, NoBody: true}},
		{"304 keeps a 1.0 connection", old, Reply{Code: 304}, Framing{KeepAlive: true, NoBody: true}},
		{"1xx as the last word closes", new, Reply{Code: 101}, Framing{NoBody: true}},
		{"the worker's word is taken", new, Reply{Code: 299, NoBody: true}, Framing{KeepAlive: true, NoBody: true}},
	} {
		if got := Frame(c.q, &c.r); got != c.want {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

func TestHeadIsWrittenAsFramed(t *testing.T) {
	for _, c := range []struct {
		minor uint8
		r     Reply
		f     Framing
		want  string
	}{
		{1, Reply{Status: []byte("200 OK"), BodySize: 12}, Framing{KeepAlive: true, AddLength: true},
			"HTTP/1.1 200 OK|Date: Sun, 06 Nov 1994 08:49:37 GMT|Server: speyside|Content-Length: 12|"},
		{1, Reply{Status: []byte("404 Not Found"), HasDate: true, HasServer: true}, Framing{Chunked: true},
			"HTTP/1.1 404 Not Found|Connection: close|Transfer-Encoding: chunked|"},
		{0, Reply{Status: []byte("200 OK"), HasDate: true, HasServer: true}, Framing{KeepAlive: true},
			"HTTP/1.1 200 OK|Connection: keep-alive|"},
		{1, Reply{Status: []byte("205 Reset Content"), Code: 205, HasDate: true, HasServer: true, BodySize: 5},
			Framing{KeepAlive: true, NoBody: true, AddLength: true}, "HTTP/1.1 205 Reset Content|Content-Length: 0|"},
		{0, Reply{Status: []byte("299"), HasDate: true, HasServer: true}, Framing{}, "HTTP/1.1 299 |Connection: close|"},
	} {
		got := AppendHead(nil, c.minor, &c.r, c.f, imfDate, "speyside")
		if strings.ReplaceAll(string(got), "\r\n", "|") != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestEmptyServerTextLeavesTheFieldOut(t *testing.T) {
	r := Reply{Status: []byte("200 OK")}
	if got := AppendHead(nil, 1, &r, Framing{}, imfDate, ""); bytes.Contains(got, []byte("Server")) {
		t.Errorf("got %q", got)
	}
}

func TestHeadNeverOutgrowsItsSlack(t *testing.T) {
	longest := 0
	for _, status := range []string{"200", "200 OK"} {
		for _, f := range []Framing{{AddLength: true}, {KeepAlive: true, AddLength: true}, {Chunked: true}} {
			r := Reply{Status: []byte(status), BodySize: math.MinInt64}
			longest = max(longest, len(AppendHead(nil, 0, &r, f, imfDate, "speyside"))-len(status)-len("speyside"))
		}
	}
	if longest != HeadSlack {
		t.Errorf("HeadSlack is %d, needed were %d", HeadSlack, longest)
	}
}

func TestChunkHeadIsHexadecimal(t *testing.T) {
	if got := AppendChunkHead([]byte("x"), 16384); string(got) != "x4000\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestErrorReplyIsWhole(t *testing.T) {
	want := "HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: speyside\r\nConnection: close\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 15\r\n\r\n"
	if got := AppendError(nil, 400, "host is missing", imfDate, "speyside", false); string(got) != want+"host is missing" {
		t.Errorf("got %q", got)
	}
	if got := AppendError(nil, 400, "host is missing", imfDate, "speyside", true); string(got) != want {
		t.Errorf("HEAD got %q", got)
	}
}

func TestEveryRefusalHasAReasonPhraseAndASection(t *testing.T) {
	for _, e := range []*Error{
		ErrBareLF, ErrBareCR, ErrControl, ErrStart, ErrRequestLine, ErrMethod, ErrMethodLong, ErrConnect, ErrLineLong,
		ErrTarget, ErrFragment, ErrAuthority, ErrAsterisk, ErrVersion, ErrVersionMajor, ErrFold, ErrName, ErrNameSpace,
		ErrFieldLong, ErrTooManyFields, ErrHeadLong, ErrHostMissing, ErrHostRepeated, ErrHost, ErrExpect, ErrLength,
		ErrLengthRepeated, ErrLengthLarge, ErrLengthChunked, ErrCoding, ErrCodingUnknown, ErrCodingOrder, ErrCodingOld,
		ErrChunkSize, ErrChunkLarge, ErrChunkLine, ErrChunkLineLong, ErrChunkExtension, ErrChunkEnd, ErrTrailer, ErrTrailerLong,
	} {
		if Reason(e.Status) == "" || !strings.HasPrefix(e.Section, "RFC ") || e.Reason != strings.ToLower(e.Reason) {
			t.Errorf("%d %q %q", e.Status, e.Reason, e.Section)
		}
	}
	if Reason(299) != "" {
		t.Error("299 has a reason phrase")
	}
}

func BenchmarkReplyHead(b *testing.B) {
	dst := make([]byte, 0, 512)
	r := Reply{Status: []byte("200 OK"), Code: 200, BodyKnown: true, BodySize: 12}
	b.ReportAllocs()
	for b.Loop() {
		f := Frame(RequestFacts{Minor: 1, KeepAlive: true}, &r)
		dst = AppendHead(dst[:0], 1, &r, f, imfDate, "speyside")
	}
}
