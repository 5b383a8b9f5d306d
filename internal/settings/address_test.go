package settings

import (
	"strings"
	"testing"
)

func TestBindTakesGunicornsForms(t *testing.T) {
	for _, c := range []struct{ text, want, url string }{
		{"127.0.0.1:8000", "127.0.0.1:8000", "http://127.0.0.1:8000"},
		{"127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1:8000"},
		{":5000", "0.0.0.0:5000", "http://localhost:5000"},
		{"localhost:0", "localhost:0", "http://localhost:0"},
		{"Example.COM:80", "example.com:80", "http://example.com"},
		{"tcp://0.0.0.0:1", "0.0.0.0:1", "http://localhost:1"},
		{"[::1]:9", "[::1]:9", "http://[::1]:9"},
		{"[::1]", "[::1]:8000", "http://[::1]:8000"},
		{"[::1]:80", "[::1]:80", "http://[::1]"},
		{"[::]:9", "[::]:9", "http://localhost:9"},
		{"[fe80::1%eth0]:9", "[fe80::1%eth0]:9", "http://[fe80::1%25eth0]:9"},
		{"unix:/run/a.sock", "unix:/run/a.sock", "unix:/run/a.sock"},
		{"unix:///run/a.sock", "unix:/run/a.sock", "unix:/run/a.sock"},
		{"unix:a.sock", "unix:a.sock", "unix:a.sock"},
	} {
		a, err := ParseBind(c.text)
		if err != nil || a.String() != c.want || a.URL() != c.url {
			t.Errorf("%s: %v, %s, error %v; want %s, %s", c.text, a, a.URL(), err, c.want, c.url)
		}
		if again, err := ParseBind(a.String()); err != nil || again != a {
			t.Errorf("%s: its own text reads as %v, %v", c.text, again, err)
		}
	}
}

func TestBadBindSaysWhatWasMeant(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "it is empty"},
		{"8000", "write 127.0.0.1:8000, or :8000 for every address"},
		{"::1", "in brackets"},
		{"[::1", "in brackets"},
		{"[::1]8000", "in brackets"},
		{"[127.0.0.1]:80", "in brackets"},
		{"localhost:", "the port is missing"},
		{"localhost:http", `"http" is no port`},
		{"localhost:+80", `"+80" is no port`},
		{"localhost:-1", `"-1" is no port`},
		{"localhost:65536", `"65536" is no port`},
		{"a b:80", "is no host name"},
		{"http://x:80", "it has a scheme or a path"},
		{"run/a.sock", "it has a scheme or a path"},
		{"unix:", "the path of the Unix socket is missing"},
		{"unix:a\x00b", "NUL"},
	} {
		if a, err := ParseBind(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, error %v; want %q", c.text, a, err, c.want)
		}
	}
}
