package settings

import (
	"slices"
	"strings"
	"testing"
)

func TestAddressesOfSyslog(t *testing.T) {
	for text, want := range map[string]string{"udp://localhost:514": "udp localhost:514", "udp://": "udp localhost:514", "udp://logs": "udp logs:514",
		"tcp://[::1]:6514": "tcp [::1]:6514", "tcp://[::1]": "tcp [::1]:514", "UDP://h:1": "udp h:1", "unix:///dev/log": "unixgram unix /dev/log",
		"unix:///dev/log#dgram": "unixgram /dev/log", "unix:///dev/log#stream": "unix /dev/log"} {
		to, err := syslogAddress(text)
		if got := strings.Join(slices.Concat(to.Networks, []string{to.Address}), " "); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"localhost:514": "none of udp://", "": "none of udp://", "udp://h:x": `"x" is no port`, "tcp://h:0": `"0" is no port`,
		"unix://": "the path of the socket is missing", "unix:///dev/log#odd": `not "odd"`, "unix:///" + strings.Repeat("x", 200): "at most 107 bytes"} {
		if _, err := syslogAddress(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestTagOfSyslog(t *testing.T) {
	for prefix, want := range map[string]string{"": "speyside.shop.wsgi.app", "--log-syslog-prefix=web": "web", "--log-syslog-prefix=web.": "web.shop.wsgi.app"} {
		s, err := resolve("shop.wsgi:app --log-syslog --log-syslog-facility LOCAL3 " + prefix)
		if err != nil {
			t.Fatal(err)
		}
		if to := s.SyslogTarget(); to.Tag != want || to.Facility != 19 {
			t.Errorf("%s: %+v, want %s", prefix, to, want)
		}
	}
	if _, err := resolve("app --log-syslog-facility nobody"); err == nil || !strings.Contains(err.Error(), "one of auth, authpriv, cron") {
		t.Error(err)
	}
	if _, err := resolve("app --log-syslog-to localhost"); err == nil || !strings.Contains(err.Error(), "none of udp://") {
		t.Error(err)
	}
}
