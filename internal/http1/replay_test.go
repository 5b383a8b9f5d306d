package http1

import (
	"strconv"
	"strings"
	"testing"
)

func TestCorpusIsJudgedAsWritten(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(c.name, func(t *testing.T) {
			facts, problems := judge(c.input)
			if diff := matches(c.verdict, facts); diff != "" || problems != nil {
				t.Errorf("%s\n%q", diff, problems)
			}
		})
	}
}

func TestVerdictDoesNotDependOnHowTheInputIsCut(t *testing.T) {
	for _, c := range corpus(t) {
		whole, _ := judge(c.input)
		want := strings.Join(whole, "\n")
		check := func(how string, at int, pieces ...[]byte) {
			facts, problems := judge(pieces...)
			if got := strings.Join(facts, "\n"); got != want || problems != nil {
				t.Errorf("%s, %s %d:\n%s\nwant\n%s\n%q", c.name, how, at, got, want, problems)
			}
		}
		if len(c.input) < 10_000 {
			check("byte by byte", 0, byteByByte(c.input)...)
		}
		step := 1
		if len(c.input) > 2000 {
			step = len(c.input) / 100
		}
		for at := 0; at <= len(c.input); at += step {
			check("cut at", at, c.input[:at], c.input[at:])
			check("cut behind", at, c.input[:len(c.input)-at], c.input[len(c.input)-at:])
		}
	}
}

// fuzzSeeds adds the corpus's inputs and fails if there are none.
func fuzzSeeds(f *testing.F) {
	for i, c := range corpus(f) {
		f.Add(c.input, uint16(i*7))
	}
}

// FuzzHead: whatever comes, the verdict does not depend on how it is cut, and every offset lies within the head.
func FuzzHead(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, input []byte, at uint16) {
		cut := int(at) % (len(input) + 1)
		compare(t, "cut", [][]byte{input}, [][]byte{input[:cut], input[cut:]})
		if len(input) < 500 {
			compare(t, "byte by byte", [][]byte{input}, byteByByte(input))
		}
	})
}

// FuzzBody: the same for chunked bodies, and for bodies of a length up to 64 KiB.
func FuzzBody(f *testing.F) {
	seeds := 0
	for i, c := range corpus(f) {
		if _, body, ok := strings.Cut(string(c.input), "\r\n\r\n"); ok && strings.Contains(string(c.input), "chunked") {
			f.Add([]byte(body), uint16(i))
			seeds++
		}
	}
	if seeds < 20 {
		f.Fatalf("tests/requests has %d chunked bodies", seeds)
	}
	f.Fuzz(func(t *testing.T, input []byte, at uint16) {
		cut := int(at) % (len(input) + 1)
		for _, framing := range []string{"Transfer-Encoding: chunked", "Content-Length: " + strconv.Itoa(int(at))} {
			head := []byte("POST / HTTP/1.1\r\nHost: a\r\n" + framing + "\r\nConnection: close\r\n\r\n")
			compare(t, framing, [][]byte{head, input}, [][]byte{head, input[:cut], input[cut:]})
			if len(input) < 500 {
				compare(t, framing, [][]byte{head, input}, append([][]byte{head}, byteByByte(input)...))
			}
		}
	})
}

func compare(t *testing.T, how string, one, other [][]byte) {
	t.Helper()
	a, problems := judge(one...)
	b, more := judge(other...)
	if strings.Join(a, "\n") != strings.Join(b, "\n") || problems != nil || more != nil {
		t.Errorf("%s:\n%s\nbut\n%s\n%q %q", how, strings.Join(a, "\n"), strings.Join(b, "\n"), problems, more)
	}
}
