package settings

import (
	"strings"
	"testing"
	"time"
)

func TestEveryValueIsPrintedAsItCanBeRead(t *testing.T) {
	s := mustResolve(t, "shop:app -b 127.0.0.1:1 -b unix:/run/x.sock --umask 0o117 --timeout 90 --keep-alive 1h30m --max-worker-memory 300MB "+
		"--switch-interval auto --log-level warning --limit-request-body 1500 --proxy-headers forwarded --health --pythonpath a,b")
	s.Routes = []Route{must(ParseRoute("/up/ stream_request=on limit_request_body=5GB timeout=0"))}
	var b strings.Builder
	if err := s.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`bind = ["127.0.0.1:1", "unix:/run/x.sock"] `, "umask = 0o117 ", `timeout = "1m30s"`, `keepalive = "1h30m"`,
		`max_worker_memory = "300MB"`, `switch_interval = "auto"`, `loglevel = "warning"`, "limit_request_body = 1500 ", "health = true ",
		`route = ["/up/ limit_request_body=5GB stream_request=on timeout=0"]`, "\n[app]\nwsgi_app = \"shop:app\"", "# the command line\n", "# --timeout\n",
		"threads = 4                                     # the default\n", "\n# pidfile = \"\" "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestTextOfAValueIsTheSameValue(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second, time.Minute, time.Hour, 90 * time.Minute, 36*time.Hour + time.Second, 500 * time.Microsecond} {
		text := (&Setting{}).durationText(d)
		if got, err := parseDuration(text); err != nil || got != d {
			t.Errorf("%v is %q, which is %v (%v)", d, text, got, err)
		}
	}
	for _, n := range []int64{0, 1, 1023, 1024, 1536, 5 << 30, 3<<30 + 1} {
		if got, err := parseSize(sizeText(n)); err != nil || got != n {
			t.Errorf("%d is %q, which is %d (%v)", n, sizeText(n), got, err)
		}
	}
}

func TestWhatAReloadCannotChangeIsKeptAndNamed(t *testing.T) {
	before, after := mustResolve(t, "a -b :1 --backlog 5 --timeout 3"), mustResolve(t, "a -b :2 --timeout 4 --threads 2")
	kept := after.Keep(before.Settings)
	if len(kept) != 2 || kept[0] != (Kept{"bind", `["0.0.0.0:1"]`, `["0.0.0.0:2"]`, "--bind"}) || kept[1].Name != "backlog" || kept[1].Source != SourceDefault {
		t.Errorf("%+v", kept)
	}
	if after.Bind[0].Port != 1 || after.Backlog != 5 || after.Source("backlog") != "--backlog" || after.Timeout != 4*time.Second || after.Threads != 2 {
		t.Errorf("%+v, %+v", after.Settings, after.App)
	}
	if again := after.Keep(before.Settings); len(again) != 0 {
		t.Errorf("%+v", again)
	}
}
