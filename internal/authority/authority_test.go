package authority

import "testing"

func TestAuthorityIsAHostAndPerhapsAPort(t *testing.T) {
	for text, want := range map[string]struct {
		ok         bool
		host, port string
	}{
		"a": {true, "a", ""}, "a.example:80": {true, "a.example", "80"}, "a:": {true, "a", ""},
		"[::1]": {true, "[::1]", ""}, "[::1]:8000": {true, "[::1]", "8000"}, "a%41": {true, "a%41", ""},
		"": {}, ":80": {}, "a b": {}, "a:b": {}, "a:80:80": {}, "user@a": {}, "a/b": {}, "a\r\nX: y": {}, "[]": {}, "[::1": {},
		"[::1]x": {}, "a%4": {}, "a\x00": {}, "\xe9": {}, "a?b": {}, "a#b": {}, `"a"`: {},
	} {
		if got := Valid([]byte(text)); got != want.ok {
			t.Errorf("%q is valid: %v", text, got)
		} else if got {
			host, port := Split([]byte(text))
			if string(host) != want.host || string(port) != want.port {
				t.Errorf("%q is %q and %q", text, host, port)
			}
		}
	}
}
