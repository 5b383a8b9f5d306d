package http1

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/wire"
)

// A testCase is one ```http block of tests/requests with the ```verdict block that follows it; README.md there says
// how they are written. A ```reply block is for the whole server (tests/server/test_requests.py).
type testCase struct {
	name    string
	input   []byte
	verdict []string
}

// corpus reads all cases. A file without a case, or no file at all, is a failure: else nobody would notice.
func corpus(tb testing.TB) []testCase {
	tb.Helper()
	files, err := filepath.Glob("../../tests/requests/*.md")
	if err != nil {
		tb.Fatal(err)
	}
	var all []testCase
	for _, file := range files {
		if filepath.Base(file) == "README.md" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		cases, err := readCases(strings.TrimSuffix(filepath.Base(file), ".md"), string(text))
		if err != nil || len(cases) == 0 {
			tb.Fatalf("reading %s: %d cases, error %v", file, len(cases), err)
		}
		all = append(all, cases...)
	}
	if len(all) < 250 {
		tb.Fatalf("tests/requests has %d cases: where are the others?", len(all))
	}
	return all
}

func readCases(file, text string) (cases []testCase, err error) {
	var block *[]string
	var request, verdict, reply []string
	heading, names := "", map[string]bool{}
	for number, line := range strings.Split(text, "\n") {
		switch {
		case block == nil && strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		case block == nil && line == "```http":
			block, request = &request, nil
		case block == nil && line == "```verdict":
			block, verdict = &verdict, nil
		case block == nil && line == "```reply":
			block, reply = &reply, nil
		case block == nil && strings.HasPrefix(line, "```"):
			return nil, fmt.Errorf("line %d: a block that is no http, verdict or reply", number+1)
		case block == &verdict && line == "```":
			name := file + "/" + strings.ReplaceAll(heading, "/", "-")
			input, err := unescape(strings.Join(request, ""))
			if err != nil || request == nil || len(verdict) == 0 || names[name] {
				return nil, fmt.Errorf("line %d: %s: heading used twice, or a block is missing or bad: %v", number+1, name, err)
			}
			cases = append(cases, testCase{name, input, verdict})
			names[name], block, request = true, nil, nil
		case line == "```":
			block = nil
		case block != nil:
			*block = append(*block, line)
		}
	}
	if block != nil || request != nil {
		return nil, fmt.Errorf("the last block has no end or no verdict")
	}
	return cases, nil
}

// unescape reads \r \n \t \\ \xNN and \*N(…), which stands for N times what is in the parentheses. Where the client waits
// (\|) or ends its side (\$) is of no account here.
func unescape(s string) (out []byte, err error) {
	for len(s) > 0 {
		if s[0] != '\\' {
			out, s = append(out, s[0]), s[1:]
			continue
		}
		plain := map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '\\': '\\'}
		switch {
		case len(s) >= 4 && s[1] == 'x':
			c, err := strconv.ParseUint(s[2:4], 16, 8)
			if err != nil {
				return nil, err
			}
			out, s = append(out, byte(c)), s[4:]
		case len(s) >= 2 && s[1] == '*':
			count, rest, _ := strings.Cut(s[2:], "(")
			inner, rest, ok := strings.Cut(rest, ")")
			n, err := strconv.Atoi(count)
			part, err2 := unescape(inner)
			if err != nil || err2 != nil || !ok {
				return nil, fmt.Errorf("bad repetition %q", s[:min(len(s), 20)])
			}
			out, s = append(out, bytes.Repeat(part, n)...), rest
		case len(s) >= 2 && plain[s[1]] != 0:
			out, s = append(out, plain[s[1]]), s[2:]
		case len(s) >= 2 && (s[1] == '|' || s[1] == '$'):
			s = s[2:]
		default:
			return nil, fmt.Errorf("bad escape %q", s[:min(len(s), 4)])
		}
	}
	return out, nil
}

// visible is the other way round, for what a verdict shows.
func visible(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		switch {
		case c == '\\':
			s.WriteString(`\\`)
		case c < ' ' || c > '~':
			s.WriteString(`\x`)
			s.WriteByte(hexadec[c>>4])
			s.WriteByte(hexadec[c&15])
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

var usual = Limits{Line: 8190, Fields: 100, FieldSize: 8190}

// reader is a front without a socket: it is fed bytes and notes what they mean, one line per fact.
type reader struct {
	parser   Parser
	body     Body
	head     wire.Head
	buf      []byte // the head so far, or the rest of it
	content  []byte
	inBody   bool
	stopped  bool // refused, or closed by what the last request said
	facts    []string
	begun    int      // where among them the request begins whose body is not complete
	problems []string // what must not happen with any input
}

var poison = bytes.Repeat([]byte{0xff}, 4096)

func newReader() *reader { return &reader{head: wire.Head{Fields: make([]wire.Field, 0, 128)}} }

// feed takes more bytes, in memory that does not live on: what was handed in before lies elsewhere now, overwritten.
func (r *reader) feed(in []byte) {
	moved := append(append(make([]byte, 0, len(r.buf)+len(in)), r.buf...), in...)
	for old := r.buf; len(old) > 0; {
		old = old[copy(old, poison):]
	}
	r.buf = moved
	for !r.stopped && r.step() {
	}
}

// step moves on by one head or one piece of body, and says whether there may be more to do.
func (r *reader) step() bool {
	if r.inBody {
		data, n, done, err := r.body.Decode(r.buf)
		if err != nil {
			return r.refuse(err)
		}
		if n > len(r.buf) || len(data) > n {
			r.problem("body of %d bytes from %d, taking %d", len(data), len(r.buf), n)
		}
		r.content = append(r.content, data...)
		r.buf = r.buf[n:]
		if done {
			r.note("body " + visible(r.content))
			r.inBody, r.stopped = false, !r.head.KeepAlive
			r.parser.Reset()
			r.head = wire.Head{Fields: r.head.Fields[:0]}
		}
		return done || n > 0
	}
	n, err := r.parser.Parse(r.buf, &usual, &r.head)
	if err != nil {
		return r.refuse(err)
	}
	if n == 0 {
		return false
	}
	r.describe(r.buf[:n])
	r.buf, r.content, r.inBody = r.buf[n:], nil, true
	r.body.Reset(&r.head)
	return true
}

func (r *reader) refuse(err *Error) bool {
	r.unserve()
	r.note(fmt.Sprintf("refused %d %s", err.Status, err.Section))
	r.stopped = true
	return false
}

func (r *reader) note(fact string) { r.facts = append(r.facts, fact) }

func (r *reader) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// end notes that the input ended before the request did.
func (r *reader) end() []string {
	if !r.stopped && (r.inBody || len(r.buf) > 0) {
		r.unserve()
		r.note("waiting")
	}
	return r.facts
}

// unserve corrects the last request: its body is not complete, and no application sees it.
func (r *reader) unserve() {
	if r.inBody {
		r.facts[r.begun] = "begun" + strings.TrimPrefix(r.facts[r.begun], "served")
	}
}

// describe notes all facts of a head and checks what must hold for any.
func (r *reader) describe(head []byte) {
	h := &r.head
	show := func(s wire.Span) string {
		if int(s.At)+int(s.Len) > len(head) {
			r.problem("span %v beyond the head's %d bytes", s, len(head))
			return ""
		}
		return visible(s.Of(head))
	}
	yes := map[bool]string{true: "yes", false: "no"}
	r.begun = len(r.facts)
	r.note(fmt.Sprintf("served %s %s HTTP/1.%d", show(h.Method), show(h.Target), h.Minor))
	r.note("path " + show(h.Path))
	r.note("query " + show(h.Query))
	r.note("host " + show(h.Host))
	seen := map[string]bool{}
	repeated := false
	for _, f := range h.Fields {
		r.note("field " + show(f.Name) + ": " + show(f.Value))
		name := strings.ToLower(show(f.Name))
		repeated = repeated || seen[name]
		seen[name] = true
		if strings.Contains(name, "_") || bytes.ContainsAny(f.Value.Of(head), "\r\n\x00") {
			r.problem("field %q reached the application", name)
		}
	}
	if repeated && !h.Repeated {
		r.problem("repeated names went unnoticed")
	}
	if h.Escaped != strings.Contains(show(h.Path), "%") {
		r.problem("escaped is %v for %q", h.Escaped, show(h.Path))
	}
	r.note("dropped " + strconv.Itoa(h.Dropped))
	r.note("repeated " + yes[h.Repeated])
	r.note("head only " + yes[h.HeadOnly])
	r.note("continue " + yes[h.Continue])
	r.note("keep-alive " + yes[h.KeepAlive])
	framing := strconv.FormatInt(h.ContentLength, 10)
	if h.Chunked {
		framing = "chunked"
		if h.ContentLength != -1 {
			r.problem("chunked and a length")
		}
	}
	r.note("framing " + framing)
}

// judge feeds input in the given pieces.
func judge(pieces ...[]byte) (facts, problems []string) {
	r := newReader()
	for _, piece := range pieces {
		r.feed(piece)
	}
	return r.end(), r.problems
}

// byteByByte cuts b into single bytes.
func byteByByte(b []byte) (pieces [][]byte) {
	for i := range b {
		pieces = append(pieces, b[i:i+1])
	}
	return pieces
}

// matches compares a verdict with the facts: it may leave out any kind of fact (the first word) for a request, but
// the kinds that it names must be told in full, and no request, refusal or wait may be left out.
func matches(verdict, facts []string) string {
	kind := func(line string) string { word, _, _ := strings.Cut(line, " "); return word }
	split := func(lines []string) (requests [][]string) {
		for _, line := range lines {
			if k := kind(line); len(requests) == 0 || k == "served" || k == "begun" || k == "refused" || k == "waiting" {
				requests = append(requests, nil)
			}
			requests[len(requests)-1] = append(requests[len(requests)-1], line)
		}
		return requests
	}
	want, got := split(verdict), split(facts)
	for i, request := range want {
		kinds := map[string]bool{}
		for _, line := range request {
			kinds[kind(line)] = true
		}
		var told []string
		if i < len(got) {
			for _, line := range got[i] {
				if kinds[kind(line)] {
					told = append(told, strings.TrimSuffix(line, " "))
				}
			}
		}
		if w, g := strings.Join(request, "\n"), strings.Join(told, "\n"); w != g {
			return fmt.Sprintf("want\n%s\ngot\n%s", w, g)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("want %d verdicts, got %d, the last of them\n%s", len(want), len(got), strings.Join(got[len(got)-1], "\n"))
	}
	return ""
}
