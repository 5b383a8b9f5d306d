package gunicorn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// file makes the values of a configuration file: name and JSON in turn, in a line each. JSON "class" is something else.
func file(pairs ...string) []Value {
	var values []Value
	for i := 0; i < len(pairs); i += 2 {
		v := Value{Name: pairs[i], JSON: json.RawMessage(pairs[i+1]), Repr: pairs[i+1], Source: settings.Source(fmt.Sprintf("gunicorn.conf.py:%d", i/2+1))}
		switch pairs[i+1] {
		case "class":
			v.JSON, v.Repr, v.Type = nil, "<class 'x.Y'>", "type"
		case "dict": // with something in it that JSON has not
			v.JSON, v.Repr, v.Type = nil, "{'a': <class 'x.Y'>}", "dict"
		}
		values = append(values, v)
	}
	return values
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		if at := slices.Index(pairs, name); at >= 0 && at%2 == 0 {
			return pairs[at+1]
		}
		return ""
	}
}

// resolved are the texts that count for a setting after everything.
func resolved(t *testing.T, m *Mapping, ours string) string {
	t.Helper()
	for _, layer := range append(slices.Clone(m.Layers), m.Defaults) {
		if given, ok := layer[ours]; ok {
			return strings.Join(given.Texts, " ")
		}
	}
	return ""
}

func TestValuesBecomeSettingsOfOurs(t *testing.T) {
	for _, c := range []struct{ name, given, ours, want string }{
		{"workers", `3`, "workers", "3"},
		{"workers", `"0x10"`, "workers", "16"},
		{"workers", `true`, "workers", "1"},
		{"bind", `"0.0.0.0:80"`, "bind", "0.0.0.0:80"},
		{"bind", `["a:1", " unix:x "]`, "bind", "a:1 unix:x"},
		{"bind", `null`, "bind", ""},
		{"timeout", `120`, "timeout", "120"},
		{"timeout", `0`, "timeout", "0"},
		{"timeout", `1000000`, "timeout", "86400"},
		{"keepalive", `5`, "keepalive", "5"},
		{"backlog", `0`, "backlog", "1"},
		{"limit_request_fields", `0`, "limit_request_fields", "1000"},
		{"limit_request_field_size", `100000`, "limit_request_field_size", "65535"},
		{"loglevel", `"WARNING"`, "loglevel", "warning"},
		{"loglevel", `"warn"`, "loglevel", "info"},
		{"reload", `true`, "reload", "on"},
		{"reload_extra_files", `["a.html", "b/*.yml"]`, "reload_extra_files", "a.html b/*.yml"},
		{"preload_app", `true`, "preload", "on"},
		{"preload_app", `"False"`, "preload", "off"},
		{"umask", `18`, "umask", "18"},
		{"umask", `"0022"`, "umask", "18"},
		{"pythonpath", `"/a, /b"`, "pythonpath", "/b /a"},
		{"forwarded_allow_ips", `"10.0.0.0/8, ::1"`, "forwarded_allow_ips", "10.0.0.0/8 ::1"},
		{"forwarded_allow_ips", `""`, "forwarded_allow_ips", ""},
		{"secure_scheme_headers", `{"X-A": "on", "B": "https"}`, "secure_scheme_headers", "B=https X-A=on"},
		{"proxy_protocol", `true`, "proxy_protocol", "auto"},
		{"proxy_protocol", `"V2"`, "proxy_protocol", "v2"},
		{"header_map", `"Dangerous"`, "header_map", "dangerous"},
		{"default_proc_name", `"shop"`, "proc_name", "shop"},
		{"control_socket_disable", `true`, "control_socket", "off"},
		{"control_socket_disable", `false`, "control_socket", ""},
		{"wsgi_app", `"a:b"`, "wsgi_app", "a:b"},
		{"wsgi_app", `null`, "wsgi_app", ""},
		{"of_the_files_own", `[1]`, "of_the_files_own", ""},
	} {
		m, err := Map(environment(), file(c.name, c.given))
		if err != nil || resolved(t, m, c.ours) != c.want {
			t.Errorf("%s = %s: %v, %q instead of %q", c.name, c.given, err, resolved(t, m, c.ours), c.want)
		}
	}
}

func TestWorkerClassDecidesThreads(t *testing.T) {
	for _, c := range []struct {
		given []string
		want  string
		notes string
	}{
		{nil, "1", ""},
		{[]string{"worker_class", `"sync"`}, "1", ""},
		{[]string{"threads", `4`}, "4", "timeout"},
		{[]string{"worker_class", `"sync"`, "threads", `4`}, "4", "timeout"},
		{[]string{"worker_class", `"gthread"`}, "1", ""},
		{[]string{"worker_class", `"gthread"`, "threads", `8`}, "8", "timeout"},
		{[]string{"worker_class", `"gthread"`, "threads", `8`, "timeout", `0`}, "8", ""},
		{[]string{"worker_class", `"gunicorn.workers.gthread.ThreadWorker"`, "threads", `2`}, "2", "timeout"},
		{[]string{"worker_class", `"gevent"`}, "16", "worker_class timeout"},
		{[]string{"worker_class", `"gevent"`, "threads", `1`}, "16", "worker_class timeout"},
		{[]string{"worker_class", `"gevent_pywsgi"`, "threads", `5`}, "5", "worker_class timeout"},
		{[]string{"worker_class", `"eventlet"`, "timeout", `0`}, "16", "worker_class"},
		{[]string{"worker_class", `"egg:gunicorn#gevent"`, "timeout", `0`}, "16", "worker_class"},
		{[]string{"threads", `0`}, "1", ""},
	} {
		m, err := Map(environment(), file(c.given...))
		if err != nil {
			t.Errorf("%v: %v", c.given, err)
			continue
		}
		var notes []string
		for _, n := range m.Notes {
			notes = append(notes, n.Setting)
		}
		if got := resolved(t, m, "threads"); got != c.want || strings.Join(notes, " ") != c.notes {
			t.Errorf("%v: %s threads instead of %s, notes %v instead of %s", c.given, got, c.want, notes, c.notes)
		}
	}
}

func TestCommandLineDecidesOverTheFile(t *testing.T) {
	flags, err := Parse([]string{"-k", "gevent", "-b", "a:1", "-b", "b:2"}, "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Map(environment(), flags.Values, file("threads", `4`, "bind", `"c:3"`, "workers", `2`))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Layers[0]; got["bind"].Source != "--bind" || strings.Join(got["bind"].Texts, " ") != "a:1 b:2" || got["threads"].Texts[0] != "4" {
		t.Errorf("the command line has %v", got)
	}
	if got := m.Layers[1]; len(got) != 1 || got["workers"].Source != "gunicorn.conf.py:3" {
		t.Errorf("the file has %v", got)
	}
}

func TestConnectionsAreForEachWorkerWithThreads(t *testing.T) {
	for _, c := range []struct {
		given []string
		env   string
		want  string
	}{
		{[]string{"worker_connections", `50`}, "", ""},
		{[]string{"worker_connections", `50`, "worker_class", `"gevent"`, "workers", `3`}, "", "150"},
		{[]string{"worker_connections", `50`, "threads", `2`}, "4", "200"},
		{[]string{"threads", `2`}, "4", ""},
	} {
		m, err := Map(environment("WEB_CONCURRENCY", c.env), file(c.given...))
		if err != nil || resolved(t, m, "max_connections") != c.want {
			t.Errorf("%v: %v, %s instead of %s", c.given, err, resolved(t, m, "max_connections"), c.want)
		}
	}
}

func TestWhatWouldBeMissedStopsTheStart(t *testing.T) {
	for name, given := range map[string]string{
		"certfile": `"/c.pem"`, "keyfile": `"/k.pem"`, "ca_certs": `"/a.pem"`, "cert_reqs": `2`, "http_protocols": `"h1,h2"`, "http2_cleartext": `true`,
		"logger_class": `"app.Logger"`, "dirty_apps": `["a:B"]`, "statsd_host": `"h:1"`, "spew": `true`, "protocol": `"uwsgi"`,
		"permit_obsolete_folding": `true`, "strip_header_spaces": `true`, "casefold_http_method": `true`, "control_socket_mode": `432`,
		"ssl_context": "class", "worker_class": "class",
	} {
		_, err := Map(environment(), file("chdir", `"/"`, name, given))
		if fault.Of(err) != fault.GunicornRefused || !strings.Contains(err.Error(), name+" is ") || !strings.Contains(err.Error(), "gunicorn.conf.py:2") || fault.Hint(fault.Each(err)[0]) == "" {
			t.Errorf("%s = %s: %v", name, given, err)
		}
	}
	for _, class := range []string{"asgi", "tornado", "uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker", "my.own.Worker", "fast", "gunicorn.workers.gasgi.ASGIWorker"} {
		if _, err := Map(environment(), file("worker_class", `"`+class+`"`)); fault.Of(err) != fault.GunicornRefused {
			t.Errorf("%s: %v", class, err)
		}
	}
}

func TestSyslogHasTheNameThatGunicornGivesIt(t *testing.T) {
	for _, c := range []struct {
		given []string
		want  string
	}{
		{nil, "gunicorn."}, {[]string{"syslog", "true"}, "gunicorn."}, {[]string{"syslog_prefix", `"shop"`}, "gunicorn.shop"},
		{[]string{"syslog_prefix", `""`}, "gunicorn."}, {[]string{"syslog_prefix", "null"}, "gunicorn."},
	} {
		m, err := Map(environment(), file(c.given...))
		if err != nil || resolved(t, m, "syslog_prefix") != c.want {
			t.Errorf("%v: %v, %s instead of %s", c.given, err, resolved(t, m, "syslog_prefix"), c.want)
		}
	}
}

func TestOutputOfADaemonIsNotInherited(t *testing.T) {
	if m, err := Map(environment(), file("enable_stdio_inheritance", "true", "daemon", "false")); err != nil || len(m.Notes) != 1 {
		t.Errorf("%v, %v", err, m.Notes)
	}
	if _, err := Map(environment(), file("enable_stdio_inheritance", "true", "daemon", "true")); fault.Of(err) != fault.GunicornRefused {
		t.Error(err)
	}
}

func TestDefaultsOfGunicornAreNeverRefused(t *testing.T) {
	var all []string
	for _, row := range Table() {
		if row.Default != "" {
			all = append(all, row.Name, row.Default)
		}
	}
	m, err := Map(environment(), file(all...))
	if err != nil || len(m.Notes) > 0 {
		t.Errorf("%v, notes %v", err, m.Notes)
	}
	if _, err := Map(environment(), file("certfile", `""`, "http_protocols", `"H1"`, "http2_cleartext", `false`, "logger_class", `"simple"`, "logconfig_dict", `{}`)); err != nil {
		t.Error(err)
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := Map(environment(), file("workers", `"many"`, "timeout", `1.5`, "bind", `[1]`, "preload_app", `"yes"`, "pidfile", `7`, "secure_scheme_headers", `"x"`,
		"certfile", `"/c"`, "keepalive", `-1`, "chdir", "class", "timeout", `null`))
	each := fault.Each(err)
	want := []string{
		"workers is \"many\" (from gunicorn.conf.py:1): it must be an integer from 0",
		"timeout is 1.5 (from gunicorn.conf.py:2): it must be an integer from 0",
		"bind is [1] (from gunicorn.conf.py:3): it must be a list of texts",
		"preload_app is \"yes\" (from gunicorn.conf.py:4): it must be True or False",
		"pidfile is 7 (from gunicorn.conf.py:5): it must be a text",
		"secure_scheme_headers is \"x\" (from gunicorn.conf.py:6): it must be a dictionary",
		"keepalive is -1 (from gunicorn.conf.py:8): it must be an integer from 0",
		"chdir is <class 'x.Y'> (from gunicorn.conf.py:9): it must be a text, and it is of type type",
		"timeout is null (from gunicorn.conf.py:10): it must be an integer from 0",
		"certfile is \"/c\" (from gunicorn.conf.py:7), which Speyside does not do",
	}
	if len(each) != len(want) {
		t.Fatalf("%d errors: %v", len(each), err)
	}
	for i := range want {
		if each[i].Error() != want[i] {
			t.Errorf("%s\ninstead of %s", each[i], want[i])
		}
	}
}

func TestDictionaryThatJSONHasNotIsRefusedWhereItsTextsCount(t *testing.T) {
	for name, want := range map[string]string{"secure_scheme_headers": "its names and values must be texts", "logconfig_dict": ""} {
		values := []Value{{Name: name, Repr: "{1: 2}", Type: "dict", Source: "x.py:1"}}
		if _, err := Map(environment(), values); want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValueThatIsTooLargeIsToldFromOneOfAWrongKind(t *testing.T) {
	for kind, want := range map[string]string{"list": "a list of texts, and not larger than 40 kB", "PosixPath": "a list of texts, and it is of type PosixPath"} {
		if _, err := Map(environment(), []Value{{Name: "raw_env", Repr: "r", Type: kind, Source: "x.py:1"}}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestWhatIsIgnoredIsNoted(t *testing.T) {
	m, err := Map(environment(), file("worker_tmp_dir", `"/dev/shm"`, "http_parser", `"fast"`, "asgi_loop", `"auto"`, "dirty_post_fork", "class", "backlog", `99999`))
	if err != nil {
		t.Fatal(err)
	}
	var noted []string
	for _, n := range m.Notes {
		noted = append(noted, n.Setting+" "+string(n.Source)+" "+n.Ours)
	}
	want := "backlog gunicorn.conf.py:5 backlog, http_parser gunicorn.conf.py:2 , worker_tmp_dir gunicorn.conf.py:1 "
	if got := strings.Join(noted, ", "); got != want {
		t.Errorf("%s\ninstead of %s", got, want)
	}
}

func TestTablesNameEachOther(t *testing.T) {
	rows := byName()
	for _, ours := range settings.Table() {
		if ours.Gunicorn == "" {
			continue
		}
		row, known := rows[ours.Gunicorn]
		if !known || !slices.Contains(row.Ours, ours.Name) {
			t.Errorf("%s is %s in gunicorn, which becomes %v", ours.Name, ours.Gunicorn, row.Ours)
		}
	}
}

func TestPythonIsToldEveryValue(t *testing.T) {
	m, err := Map(environment(), file("workers", `3`, "logconfig_dict", `{}`, "post_fork", "class"))
	if err != nil {
		t.Fatal(err)
	}
	functions := 0
	for _, row := range Table() {
		if row.Kind == Function {
			functions++
		}
	}
	text, err := json.Marshal(m.Values)
	if err != nil || len(m.Values) != 120-functions || functions != 20 || !strings.Contains(string(text), `"workers":3`) || !strings.Contains(string(text), `"timeout":30`) {
		t.Errorf("%v, %d values: %s", err, len(m.Values), text)
	}
}

func TestLoggersOfPythonHaveTheLinesForRequests(t *testing.T) {
	for _, test := range []struct {
		given []Value
		want  bool
	}{
		{file("accesslog", `"-"`), false},
		{file("logconfig_dict", `{}`, "logconfig", `null`), false},
		{file("logconfig_dict", `{"version": 1}`), true},
		{file("logconfig_dict", "dict"), true},
		{file("logconfig", `"a.ini"`), true},
		{file("logconfig_json", `"a.json"`), true},
	} {
		if m, err := Map(environment(), test.given); err != nil || m.LogsRequests != test.want {
			t.Errorf("%+v: %v, %v", test.given, m.LogsRequests, err)
		}
	}
}

func TestEveryRowSaysWhatBecomesOfIt(t *testing.T) {
	for _, row := range Table() {
		for _, name := range row.Ours {
			ours, known := settings.Named(name)
			if !known {
				t.Errorf("%s becomes %s, which is no setting", row.Name, name)
			}
			if row.Treatment == Same && (ours.Gunicorn != row.Name || name != row.Name) {
				t.Errorf("%s is the same as %s, of which the table of settings says that gunicorn calls it %q", row.Name, name, ours.Gunicorn)
			}
		}
		switch row.Treatment {
		case Same, Mapped:
			if len(row.Ours) == 0 && row.Why == "" {
				t.Errorf("%s becomes nothing", row.Name)
			}
		case Ignored, Refused:
			if row.Why == "" || len(row.Ours) > 0 {
				t.Errorf("%s does not say why", row.Name)
			}
		case Hook:
			if row.Kind != Function {
				t.Errorf("%s is no function", row.Name)
			}
		default:
			t.Errorf("%s is %q", row.Name, row.Treatment)
		}
	}
}

func TestNoValueIsTooOdd(t *testing.T) {
	odd := []string{"null", "true", "false", "0", "-1", "1.5", "1e400", "99999999999999999999", `""`, `" "`, `"x"`, `"1"`, `"\u0000"`, "[]", "[null]", `["a",1]`,
		`[""]`, "{}", `{"a":{}}`, `{"":null}`, "not JSON", ""}
	for _, row := range Table() {
		for _, json := range odd {
			v := Value{Name: row.Name, JSON: []byte(json), Repr: "r", Type: "t", Source: "x.py:1"}
			if json == "" {
				v.JSON = nil
			}
			mapping, err := Map(environment(), []Value{v})
			for _, err := range fault.Each(err) {
				if err != nil && (fault.Of(err) == nil || !strings.Contains(err.Error(), row.Name)) {
					t.Errorf("%s = %s: %v", row.Name, json, err)
				}
			}
			if mapping == nil || len(mapping.Layers) != 1 {
				t.Errorf("%s = %s: %v", row.Name, json, mapping)
			}
		}
	}
}
