package accesslog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// at is when the requests of these tests ended.
var at = time.Date(2026, 11, 23, 4, 26, 29, 123456789, time.FixedZone("", 3600))

// request is what a browser may ask.
func request() *Request {
	return &Request{Method: []byte("GET"), Target: []byte("/a%20b?c=d"), Path: []byte("/a%20b"), Query: []byte("c=d"), Minor: 1,
		Client: []byte("192.0.2.1"), Port: []byte("4711"), Host: []byte("example.org")}
}

// with gives the request headers.
func with(f *Format, r *Request, headers map[string]string) *Request {
	for _, h := range f.Headers() {
		if value, ok := headers[h.Name]; ok {
			r.Headers = append(r.Headers, []byte(value))
		} else {
			r.Headers = append(r.Headers, nil)
		}
	}
	return r
}

func end() *End {
	return &End{Now: at, Status: 200, Sent: 13, Took: 1234567 * time.Microsecond, ReplyAfter: 2 * time.Millisecond, Pid: 4242, Worker: 3,
		Generation: 1, ID: 31, Boot: "0000beef", Outcome: Served}
}

// line is what a format makes of a request.
func line(t testing.TB, format string, r *Request, headers map[string]string, e *End) string {
	t.Helper()
	f, err := Compile(format)
	if err != nil {
		t.Fatal(err)
	}
	n := NewNote()
	f.Take(n, with(f, r, headers))
	f.TakeReply(n, []byte("Content-Type: text/plain\r\nX-A: 1\r\nx-a:  two \r\nX-Empty:\r\n\r\n"))
	return string(f.Append(nil, n, e, &Clock{}))
}

var browser = map[string]string{"user-agent": "Mozilla/5.0 (X11)", "referer": "http://example.org/", "authorization": "Basic YWRhOnB3"}

func TestNamedFormatsHaveTheirShape(t *testing.T) {
	want := map[string]string{
		"common": `192.0.2.1 - ada [23/Nov/2026:04:26:29 +0100] "GET /a%20b?c=d HTTP/1.1" 200 13` + "\n",
		"combined": `192.0.2.1 - ada [23/Nov/2026:04:26:29 +0100] "GET /a%20b?c=d HTTP/1.1" 200 13 "http://example.org/" "Mozilla/5.0 (X11)"` +
			"\n",
		"json": `{"time":"2026-11-23T04:26:29.123+01:00","client":"192.0.2.1","method":"GET","host":"example.org","path":"/a%20b",` +
			`"query":"c=d","protocol":"HTTP/1.1","status":200,"bytes":13,"duration":1.234567,"reply_after":0.002000,"outcome":"served",` +
			`"worker":3,"generation":1,"request_id":"0000beef-1f","referer":"http://example.org/","user_agent":"Mozilla/5.0 (X11)"}` + "\n",
		"logfmt": `time=2026-11-23T04:26:29.123+01:00 client=192.0.2.1 method=GET host=example.org path=/a%20b query="c=d" ` +
			`protocol=HTTP/1.1 status=200 bytes=13 duration=1.234567 reply_after=0.002000 outcome=served worker=3 generation=1 ` +
			`request_id=0000beef-1f referer=http://example.org/ user_agent="Mozilla/5.0 (X11)"` + "\n",
	}
	if len(want) != len(Names()) {
		t.Errorf("%d formats are tested of %d", len(want), len(Names()))
	}
	for _, name := range Names() {
		if got := line(t, name, request(), browser, end()); got != want[name] {
			t.Errorf("%s\ngot  %q\nwant %q", name, got, want[name])
		}
	}
}

func TestAtomsAreGunicorns(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{"%(h)s %(l)s %(u)s", "192.0.2.1 - ada"},
		{"%(t)s", "[23/Nov/2026:04:26:29 +0100]"},
		{"%(r)s|%(m)s|%(q)s|%(H)s", "GET /a%20b?c=d HTTP/1.1|GET|c=d|HTTP/1.1"},
		{`"%(U)s" %(U)s`, `"/a b" /a\u0020b`},
		{"%(s)s %(b)s %(B)s", "200 13 13"},
		{"%(f)s %(a)s", "http://example.org/ Mozilla/5.0 (X11)"},
		{"%(T)s %(M)s %(D)s %(L)s %(p)s", "1 1234 1234567 1.234567 <4242>"},
		{"%({User-Agent}i)s %({none}i)s", "Mozilla/5.0 (X11) -"},
		{"%({content-type}o)s %({X-A}o)s <%({x-empty}o)s> %({none}o)s", "text/plain two <> -"},
		{"%({REMOTE_PORT}e)s %({RAW_URI}e)s %({Http_User_Agent}e)s", "4711 /a%20b?c=d Mozilla/5.0 (X11)"},
		{"%({wsgi.url_scheme}e)s %({HTTP_HOST}e)s %({speyside.request_id}e)s", "http example.org 0000beef-1f"},
		{"%({REMOTE_USER}e)s %(x)s %({a}x)s %({)s", "- - - -"},
		{"%(D)010d|%(T)+d|%(B)-5d|%(M) d|%(B).4d", "0001234567|+1|13   | 1234|0013"},
		{"%(m)6s|%(m)-6s|%(m).2s|%(h)05s", "   GET|GET   |GE|192.0.2.1"},
		{"100%% %(s)s%%", "100% 200%"},
		{"no atom", "no atom"},
		{"", ""},
	} {
		if got := line(t, c.format, request(), browser, end()); got != c.want+"\n" {
			t.Errorf("%s\ngot  %q\nwant %q", c.format, got, c.want+"\n")
		}
	}
}

func TestWhatIsNotKnownIsAHyphenOrLeftOut(t *testing.T) {
	nothing := &End{Now: at, Status: 400, Worker: -1, Pid: 7, Outcome: Refused}
	for _, c := range []struct{ format, want string }{
		{"combined", `- - - [23/Nov/2026:04:26:29 +0100] "-" 400 0 "-" "-"`},
		{"%(h)s|%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%({X-A}o)s|%({speyside.request_id}e)s", "|-|-|-|-|-|two|-"},
		{"logfmt", "time=2026-11-23T04:26:29.123+01:00 status=400 bytes=0 duration=0.000000 outcome=refused"},
		{"json", `{"time":"2026-11-23T04:26:29.123+01:00","status":400,"bytes":0,"duration":0.000000,"outcome":"refused"}`},
	} {
		if got := line(t, c.format, &Request{}, nil, nothing); got != c.want+"\n" {
			t.Errorf("%s\ngot  %q\nwant %q", c.format, got, c.want+"\n")
		}
	}
	f, err := Compile("%(x)s %(h)s %({REMOTE_USER}e)s %(x)s")
	if err != nil || strings.Join(f.Unknown(), " ") != "x {REMOTE_USER}e" {
		t.Error(f.Unknown(), err)
	}
}

func TestFormatsThatCannotBeAreRefused(t *testing.T) {
	for format, want := range map[string]string{
		"%h":                        "begins an atom",
		"100%":                      "begins an atom",
		"%(h":                       "parenthesis is not closed",
		"%(h)":                      "must end with s",
		"%(h)x":                     "must end with s",
		"%(h)r":                     "must end with s",
		"%(h)d":                     "it is text",
		"%(b)d":                     "it is text",
		"%(s)d":                     "it is text",
		"%(h)9999s":                 "larger than 999",
		"%(h)99999999999999999999s": "larger than 999",
		"ok %(D)*d":                 "must end with s",
	} {
		if _, err := Compile(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", format, err)
		}
	}
}

func TestMountIsNoPartOfThePath(t *testing.T) {
	for path, want := range map[string]string{"/app/x": "/x", "/app": "", "/application": "/application", "/app%2Fx": "/x", "/%61pp/y": "/y"} {
		r := request()
		r.Path, r.Mount, r.Script = []byte(path), []byte("/app"), []byte("/app")
		if got := line(t, "%(U)s %({SCRIPT_NAME}e)s", r, nil, end()); got != want+" /app\n" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestUserIsReadAsPythonDoes(t *testing.T) {
	for header, want := range map[string]string{
		"Basic YWRhOnB3":       "ada",
		"basic   YWRhOnB3  ":   "ada",
		"Basic YW!Rh:OnB3":     "ada", // what is no Base64 is passed over
		"BasicYWRhOnB3":        "-",
		"Basic YWRhOnB":        "-",
		"Basic Og==":           "-", // an empty name
		"Basic YSBiOnB3":       `a\u0020b`,
		"Basic w6Q6cHc=":       "ä",
		"Basic w2E6cHc=":       "-", // no UTF-8
		"Bearer YWRhOnB3":      "-",
		"Basic YWRhOnB3====YQ": "-",
		"Basic YWQ6cHc=YQ":     "ad", // padding ends it
		"":                     "-",
	} {
		if got := line(t, "%(u)s", request(), map[string]string{"authorization": header}, end()); got != want+"\n" {
			t.Errorf("%q: %q", header, got)
		}
	}
}

func TestNothingCanPassForALineOrAField(t *testing.T) {
	evil := "a\" 200 \\\" b\r\nc\x00\x1b[2J\x7f\u202e \xff=\u009b{}"
	r := func() *Request {
		return &Request{Method: []byte("GET"), Target: []byte(evil), Path: []byte("/%22%0a%5c" + evil), Query: []byte(evil), Client: []byte("::1"),
			Host: []byte(evil)}
	}
	headers := map[string]string{"user-agent": evil, "referer": evil, "authorization": "Basic YSIgMjAwCmI6"}
	for _, name := range append(Names(), `{"path":"%(U)s","agent":"%(a)s","user":"%(u)s","x":"%({User-Agent}i).9s"}`) {
		got := line(t, name, r(), headers, end())
		checkSafe(t, got)
		if name == "json" || name[0] == '{' {
			var read map[string]any
			if err := json.Unmarshal([]byte(got), &read); err != nil {
				t.Errorf("%s: %v in %q", name, err, got)
			}
		}
	}
	if got := line(t, "json", r(), headers, end()); !strings.Contains(got, `"user_agent":"a\" 200 \\\" b\r\nc\u0000\u001b[2J\u007f\u202e \u00ff=\u009b{}"`) {
		t.Errorf("got %q", got)
	}
	if got := line(t, `"%(a)s"`, r(), headers, end()); got != `"a\" 200 \\\" b\r\nc\u0000\u001b[2J\u007fâ\u0080® ÿ=Â\u009b{}"`+"\n" {
		t.Errorf("got %q", got)
	}
}

// checkSafe refuses a line in which something could pass for another one, or move a terminal's cursor.
func checkSafe(t testing.TB, line string) {
	t.Helper()
	for i, r := range line {
		if (r < ' ' || r >= 0x7f && r < 0xa0) && (r != '\n' || i != len(line)-1) {
			t.Errorf("%q at %d of %q", r, i, line)
		}
	}
	if !strings.HasSuffix(line, "\n") {
		t.Errorf("no end of line: %q", line)
	}
}

func TestLongValuesAreCut(t *testing.T) {
	long := strings.Repeat("x", 70000)
	for _, name := range []string{"combined", "json", "logfmt"} {
		got := line(t, name, request(), map[string]string{"user-agent": long, "referer": long}, end())
		if len(got) > 3*longest || strings.Count(got, ellipsis) != 2 {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}

func BenchmarkLine(b *testing.B) {
	for _, name := range []string{"combined", "json"} {
		b.Run(name, func(b *testing.B) {
			f, err := Compile(name)
			if err != nil {
				b.Fatal(err)
			}
			r, n, e, clock := with(f, request(), browser), NewNote(), end(), &Clock{}
			memory := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				f.Take(n, r)
				memory = f.Append(memory[:0], n, e, clock)
			}
		})
	}
}
