package twist

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

func told(c *Config) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Given)) {
		parts = append(parts, name+"="+strings.Join(c.Given[name].Texts, "|"))
	}
	return strings.Join(parts, " ")
}

func TestWhatTwistSaysBecomesSettings(t *testing.T) {
	for line, want := range map[string]string{
		"web --wsgi=shop.app": "wsgi_app=shop:app",
		"web --wsgi=shop.wsgi.application --listen=tcp:8080:interface=127.0.0.1": "bind=127.0.0.1:8080 wsgi_app=shop.wsgi:application",
		"web --wsgi a.b -p 8080":         "bind=:8080 wsgi_app=a:b",
		"web --wsgi a.b --port tcp:8080": "bind=:8080 wsgi_app=a:b",
		`web --wsgi a.b --listen tcp:port=80:interface=\:\:1 --listen tcp6:81`:        "bind=[::1]:80|[::]:81 wsgi_app=a:b",
		"web --wsgi a.b --listen unix:/run/a.sock:mode=660 --listen tcp:0:backlog=9":  "backlog=9 bind=unix:/run/a.sock|:0 umask=0o117 wsgi_app=a:b",
		`web --wsgi a.b --listen unix:address=a\:b.sock`:                              "bind=unix:a:b.sock umask=0o111 wsgi_app=a:b",
		"web --wsgi a.b --listen systemd:domain=INET:index=1":                         "bind=fd://4 wsgi_app=a:b",
		"--log-level=warn --log-file=x.log --log_format json web --wsgi a.b -l a.log": "accesslog=a.log errorlog=x.log log_format=json loglevel=warning wsgi_app=a:b",
	} {
		c, err := Parse(strings.Fields(line))
		if err != nil || told(c) != want {
			t.Errorf("%s: %v\n%q, want\n%q", line, err, told(c), want)
			continue
		}
		s, err := settings.Resolve(settings.Sources{Files: []settings.Layer{c.Given}, Defaults: c.Defaults})
		if err != nil {
			t.Errorf("%s: no settings: %v", line, err)
		} else if s.Apps[0].Workers != 1 || s.Apps[0].Threads != 20 || s.Apps[0].Timeout != 0 {
			t.Errorf("%s: %+v", line, s.Apps[0])
		}
	}
}

func TestWhatIsNotServedIsRefused(t *testing.T) {
	for line, hint := range map[string]string{
		"web --path=/srv":                                  "proxy in front",
		"web --class=a.B --wsgi a.b":                       "only WSGI applications",
		"web --wsgi a.b --https 443":                       "TLS is not there yet",
		"web --wsgi a.b --listen=ssl:443:privateKey=a.pem": "TLS is not there yet",
		"web --wsgi a.b --listen=onion:80":                 "are there",
		"web --wsgi a.b --add-header X:y":                  "the header belongs",
		"web --personal":                                   "publishes no resources",
		"conch --port 22":                                  "need Twisted itself",
	} {
		_, err := Parse(strings.Fields(line))
		if err != nil {
			err = fault.Each(err)[0]
		}
		if fault.Of(err) != fault.OptionRefused || !strings.Contains(fault.Hint(err), hint) {
			t.Errorf("%s: %v, %s", line, err, fault.Hint(err))
		}
	}
}

func TestMistakesAreToldWithTheNearestFlag(t *testing.T) {
	for line, says := range map[string]string{
		"":                                 "no plugin was named",
		"web":                              "no application was named",
		"web --wsgi":                       "flag needs an argument",
		"web --wsgi app":                   "no name of an object in a module",
		"web --wsgi a:b":                   "no name of an object in a module",
		"web --wsgi a.b --lisen 80":        "did you mean --listen?",
		"--loglevel x web":                 "did you mean --log-level?",
		"web --wsgi a.b more":              "takes flags alone",
		"web --wsgi a.b --listen tcp:many": "the port must be a number",
		"web --wsgi a.b --listen tcp:80:interfac=1": "tcp has no interfac",
		"web --wsgi a.b --listen unix:":             "has no path",
		"web --wsgi a.b --listen unix:a:mode=rw":    "octal",
	} {
		_, err := Parse(strings.Fields(line))
		if err == nil || fault.Of(fault.Each(err)[0]) != fault.Usage || !strings.Contains(err.Error()+fault.Hint(err), says) {
			t.Errorf("%s: %v, %s", line, err, fault.Hint(err))
		}
	}
	if _, err := Parse([]string{"web", "--help"}); !errors.Is(err, settings.ErrHelp) {
		t.Error(err)
	}
}

func TestEverythingThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := Parse(strings.Fields("web --https 1 --path x --listen tcp:x --listen ssl:1"))
	if n := len(fault.Each(err)); n != 4 {
		t.Errorf("%d: %v", n, err)
	}
}

func FuzzListen(f *testing.F) {
	seeds := []string{"tcp:80", `unix:a\:b:mode=1`, "systemd:index=0", "ssl:1", "=:=:", `\`}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]string{"web", "--wsgi=a.b", "--listen=" + text})
		if err == nil && len(c.Given["bind"].Texts) != 1 {
			t.Errorf("%q: %+v", text, c.Given)
		}
	})
}
