package accesslog

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile reads the corpus.
func hostile(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, `"`) {
			continue
		}
		value, err := strconv.Unquote(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		values = append(values, value)
	}
	if len(values) < 25 {
		t.Fatalf("the corpus has %d values", len(values))
	}
	return values
}

// hostileJSON is a format of atoms that looks like JSON, with everything that a client says.
const hostileJSON = `{"a":"%(a)s","f":"%(f)s","u":"%(u)s","U":"%(U)s","r":"%(r)s","q":"%(q)s","x":"%({X}i)s","o":"%({X-A}o)s","cut":"%(a).7s","wide":"%(a)9s"}`

func FuzzLine(f *testing.F) {
	for _, value := range hostile(f) {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		headers := map[string]string{"user-agent": value, "referer": value, "x": value,
			"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(value))}
		for _, format := range append(Names(), hostileJSON) {
			r := &Request{Method: []byte("GET"), Target: []byte(value), Path: []byte(value), Query: []byte(value), Client: []byte("::1"),
				Host: []byte(value), Script: []byte(value), Mount: []byte(value)}
			got := line(t, format, r, headers, end())
			checkSafe(t, got)
			if !utf8.ValidString(got) {
				t.Errorf("%s: not UTF-8: %q", format, got)
			}
			switch format {
			case "common":
				checkQuotes(t, got, 1)
			case "combined":
				checkQuotes(t, got, 3)
			case "logfmt":
				checkLogfmt(t, got, value)
			default:
				checkJSON(t, got, value)
			}
		}
	})
}

// checkQuotes reads a line as those do who read access logs: n quoted fields, and no space in the others but those of the format.
func checkQuotes(t *testing.T, line string, n int) {
	t.Helper()
	outside, quoted := "", 0
	for rest := line; rest != ""; {
		before, after, found := strings.Cut(rest, `"`)
		outside += before
		if !found {
			break
		}
		end := 0
		for end < len(after) && after[end] != '"' {
			if after[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(after) {
			t.Fatalf("a quote is open in %q", line)
		}
		rest, quoted = after[end+1:], quoted+1
	}
	if spaces := strings.Count(outside, " "); quoted != n || spaces != 6+n {
		t.Errorf("%d quoted fields and %d spaces outside of them in %q", quoted, spaces, line)
	}
}

// checkLogfmt reads the pairs back.
func checkLogfmt(t *testing.T, line, value string) {
	t.Helper()
	var names []string
	for rest := strings.TrimSuffix(line, "\n"); rest != ""; {
		name, after, _ := strings.Cut(rest, "=")
		names = append(names, name)
		if !strings.HasPrefix(after, `"`) {
			_, rest, _ = strings.Cut(after, " ")
			continue
		}
		quoted := json.NewDecoder(strings.NewReader(after))
		var text string
		if err := quoted.Decode(&text); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		rest = strings.TrimPrefix(after[quoted.InputOffset():], " ")
	}
	want := []string{"time", "client", "method", "host", "path", "query", "protocol", "status", "bytes", "duration", "reply_after", "outcome",
		"worker", "generation", "request_id", "referer", "user_agent"}
	if value == "" { // host, path, query, referer and agent are left out
		return
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("the fields are %v in %q", names, line)
	}
}

// checkJSON reads a JSON line back.
func checkJSON(t *testing.T, line, value string) {
	t.Helper()
	var read map[string]any
	if err := json.Unmarshal([]byte(line), &read); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	if status, ours := read["status"]; ours && status != 200.0 {
		t.Errorf("the status is %v in %q", status, line)
	}
	if agent, ours := read["user_agent"]; ours && utf8.ValidString(value) && len(value) <= longest && agent != value {
		t.Errorf("%q became %q", value, agent)
	}
}

func FuzzFormat(f *testing.F) {
	for _, format := range []string{"%(h)s", combined, "json", hostileJSON, "%(a)-10.3s|%(D)+08.3d|%({X}i)s|%%|%(", "%({", "%({}i)s", "%(()())s"} {
		f.Add(format, "v\"\\\x00é")
	}
	f.Fuzz(func(t *testing.T, format, value string) {
		if _, err := Compile(format); err != nil {
			return
		}
		got := line(t, format, request(), map[string]string{"user-agent": value, "x": value}, end())
		if !strings.HasSuffix(got, "\n") {
			t.Errorf("%q made %q", format, got)
		}
	})
}
