package proxy

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

// lines are those of a corpus that are not empty and no comments.
func lines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	if len(all) < 10 {
		t.Fatalf("%s has only %d entries", path, len(all))
	}
	return all
}

type beginning struct {
	bytes  []byte
	header int // bytes of the header
	want   string
}

func beginnings(t testing.TB) []beginning {
	var all []beginning
	for _, line := range lines(t, "testdata/preamble.txt") {
		quoted, err := strconv.QuotedPrefix(strings.ReplaceAll(line, `\|`, `\v`))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(text, "\v")
		at := strings.LastIndex(line, " ")
		all = append(all, beginning{[]byte(before + after), len(before), line[at+1:]})
	}
	return all
}

func read(p Protocol, b []byte) (what string, n int) {
	preamble, more, err := p.Read(b)
	switch {
	case err != nil:
		return "refused", 0
	case more:
		return "more", 0
	case preamble.Len == 0:
		return "none", 0
	case preamble.Local:
		return "local", preamble.Len
	case !preamble.Source.IsValid():
		return "unknown", preamble.Len
	}
	return preamble.Source.String(), preamble.Len
}

func TestBeginningsOfConnectionsAreReadAsWritten(t *testing.T) {
	for _, b := range beginnings(t) {
		got, n := read(V1|V2, b.bytes)
		if got != b.want {
			t.Errorf("%q is %s instead of %s", b.bytes, got, b.want)
		} else if n > 0 && n != b.header {
			t.Errorf("%q: the header has %d bytes instead of %d", b.bytes, n, b.header)
		}
	}
}

func TestOneVersionIsNotTheOther(t *testing.T) {
	v1, v2 := []byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	for _, c := range []struct {
		p    Protocol
		b    []byte
		want string
	}{{V1, v1, "1.2.3.4:1"}, {V1, v2, "none"}, {V2, v1, "none"}, {V2, v2, "local"}, {0, v1, "none"}} {
		if got, _ := read(c.p, c.b); got != c.want {
			t.Errorf("versions %d read %q as %s", c.p, c.b, got)
		}
	}
}

// checkCuts: what is read does not depend on how much more has come, and the answer changes once only, from "more".
func checkCuts(t *testing.T, p Protocol, input []byte) {
	whole, n := read(p, input)
	for at := 1; at < len(input); at++ {
		part, m := read(p, input[:at])
		if part != "more" && (part != whole || m != n) {
			t.Fatalf("%q is %s and its first %d bytes are %s", input, whole, at, part)
		}
		if part != "more" {
			return
		}
	}
}

// FuzzPreamble: whatever comes, the verdict does not depend on how it is cut, and the header lies within the bytes.
func FuzzPreamble(f *testing.F) {
	for _, b := range beginnings(f) {
		f.Add(b.bytes, uint8(V1|V2))
	}
	f.Fuzz(func(t *testing.T, input []byte, versions uint8) {
		p := Protocol(versions) & (V1 | V2)
		checkCuts(t, p, input)
		before := bytes.Clone(input)
		if _, n := read(p, input); n > len(input) || n > longestV2 || !bytes.Equal(before, input) {
			t.Fatalf("%q: a header of %d bytes", before, n)
		}
	})
}

// FuzzForwarded: no value makes a client of what the proxy did not write, nor a host that a Host field could not be, and a value in
// front, as a client may write, changes nothing or is refused.
func FuzzForwarded(f *testing.F) {
	for _, line := range lines(f, "testdata/forwarded.txt") {
		f.Add(line)
	}
	p := policy(f, Forwarded, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 8000 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return // no field value
		}
		if got := told(p, "Forwarded: "+value); strings.ContainsAny(got, "\r\n") {
			t.Fatalf("%q: %q", value, got)
		}
		added := "for=192.0.2.60;proto=https;host=a.example"
		want := told(p, "Forwarded: "+added)
		for _, lines := range [][]string{{"Forwarded: " + value, "Forwarded: " + added}, {"Forwarded: " + value + ", " + added}} {
			if got := told(p, lines...); got != want && !refused(got) {
				t.Fatalf("%q: %s", lines, got)
			}
		}
	})
}

func refused(told string) bool {
	for _, err := range []*Error{ErrForwarded, ErrClient, ErrHost, ErrScheme, ErrPort, ErrSchemes} {
		if told == err.Reason {
			return true
		}
	}
	return false
}
