package pasteini

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const shop = `# The shop.
[DEFAULT]
port = 6543
percent = 100%%

[app:main]
use = egg:shop
pyramid.includes =
    pyramid_debugtoolbar
    # not this

    pyramid_tm
sqlalchemy.url: sqlite:///%(here)s/shop.sqlite

[composite: other ]
use = egg:Paste#urlmap

[server:main]
use = egg:waitress#main
listen = localhost:%(port)s *:80
	[::1]:6543
threads = 8
channel_timeout = 60
trusted_proxy = 10.0.0.1
`

func TestFileIsReadAsPythonReadsIt(t *testing.T) {
	f, err := Parse(shop)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shop.ini")
	if err := os.WriteFile(path, []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, err := exec.Command("python3", "-c", `
import configparser, json, sys
parser = configparser.RawConfigParser()
parser.optionxform = str
parser.read(sys.argv[1])
print(json.dumps({name: {key: value for key, value in parser._sections[name].items()} for name in parser.sections()}))
`, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]map[string]string
	if err := json.Unmarshal(printed, &want); err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]string{}
	for _, s := range f.Sections {
		if s.Name == "DEFAULT" {
			continue
		}
		got[s.Name] = map[string]string{}
		for _, e := range s.Entries {
			got[s.Name][e.Key] = e.Value
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%q\nwhere Python reads\n%q", got, want)
	}
	if !slices.Equal(f.Apps(), []string{"main", "other"}) || f.App("main") == nil || f.App("other") == nil || f.App("nothing") != nil || !LooksLike(shop) {
		t.Errorf("the applications are %q", f.Apps())
	}
}

func TestMalformedFileIsRefusedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"x = 1":                       "line 1: there is something before the first section",
		"[a]\nnothing":                "line 2: it is neither a section nor NAME = VALUE",
		"[a]\n= 1":                    "line 2: it is neither a section nor NAME = VALUE",
		"[a\n":                        "line 1: a section has no name, or no closing bracket",
		"[]":                          "line 1: a section has no name, or no closing bracket",
		"[a]\n\n[a]":                  "line 3: [a] is there already, in line 1",
		"[a]\nx=1\nx=2":               "line 3: x is there already, in line 2",
		"[server:main]\nport = %(x)s": "line 2: %(x)s is not known",
		"[server:main]\nport = %(x":   "line 2: %( is not followed by NAME)s",
		"[server:main]\nuse=egg:speyside\nworker=1": "line 3: there is no setting worker; did you mean workers?",
		"[server:main]\nport = 5%":                  "line 2: a % is followed by % or by (NAME)s",
		"[server:main]\nport = %(port)s":            "line 2: the value names itself",
		"[server:main]\na=%(b)s\nb = %(a)s":         "line 2: the value names itself",
	} {
		f, err := Parse(text)
		if err == nil {
			_, err = f.Server("a.ini", nil)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestServerSectionBecomesSettings(t *testing.T) {
	for _, c := range []struct{ text, want, rest string }{
		{strings.Split(shop, "[server:main]")[1], "bind=localhost:4000|0.0.0.0:80|[::1]:6543 threads=8", "channel_timeout (line 6), trusted_proxy (line 7)"},
		{"\nuse = egg:waitress\nport=80\nurl_prefix=/shop\nmax_request_body_size=1000\nunix_socket=run/%(here)s.sock", "bind=unix:run//srv.sock limit_request_body=1000 root_path=/shop", ""},
		{"\nuse = egg:gunicorn#main\nhost = ::1\nworkers = 3\ntimeout = 9\nproc_name = shop\nbuffer = 1", "bind=[::1]:8080 gunicorn:buffer=1 gunicorn:proc_name=shop gunicorn:timeout=9 gunicorn:workers=3", ""},
		{"\nuse = egg:speyside\nbind = :80, :81\nlive_path = /up", "bind=:80|:81 live_path=/up", ""},
		{"\nuse = egg:pyramid#wsgiref\nhost = *\nport = 81\nthreads=4", "bind=0.0.0.0:81", "threads (line 5)"},
		{"\n", "", ""},
	} {
		f, err := Parse("[server:main]" + c.text)
		if err != nil {
			t.Fatal(err)
		}
		server, err := f.Server("a.ini", map[string]string{"here": "/srv", "port": "4000"})
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var got []string
		for name, given := range server.Layer {
			got = append(got, name+"="+strings.Join(given.Texts, "|"))
			if !strings.HasPrefix(string(given.Source), "a.ini:") {
				t.Errorf("%s is from %s", name, given.Source)
			}
		}
		for _, e := range server.Gunicorn {
			got = append(got, "gunicorn:"+e.Key+"="+e.Value)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want || strings.Join(server.Rest, ", ") != c.rest {
			t.Errorf("%q: %q, and not %q", c.text, got, server.Rest)
		}
	}
	if f, _ := Parse("[app:main]\n"); f != nil {
		if server, err := f.Server("a.ini", nil); server != nil || err != nil {
			t.Errorf("without a server: %v, %v", server, err)
		}
	}
}
