package proxy

import (
	"fmt"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/wire"
)

// gunicornSecure are gunicorn's secure_scheme_headers.
var gunicornSecure = []Header{{"X-FORWARDED-PROTOCOL", "ssl"}, {"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-SSL", "on"}}

func policy(t testing.TB, family Family, allowed ...string) *Policy {
	t.Helper()
	a, err := ParseAllowed(allowed)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Allowed: a, Secure: gunicornSecure, Forwarders: []string{"SCRIPT_NAME", "PATH_INFO"}, Family: family})
}

// headOf makes a head of lines such as "Name: value".
func headOf(lines ...string) ([]byte, *wire.Head) {
	head := []byte("GET /path HTTP/1.1\r\n")
	h := &wire.Head{Path: wire.Span{At: 4, Len: 5}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		at := len(head)
		head = append(head, line+"\r\n"...)
		h.Fields = append(h.Fields, wire.Field{Name: wire.Span{At: uint16(at), Len: uint16(len(name))},
			Value: wire.Span{At: uint16(at + len(name) + 2), Len: uint16(len(value))}})
		h.Names |= wire.NameBit([]byte(name))
	}
	return head, h
}

// told is what a policy makes of a head, in words: client, scheme, host, port, mount and path; or the refusal.
func told(p *Policy, lines ...string) string {
	head, h := headOf(lines...)
	if h.Names&p.Names() == 0 {
		return "nothing"
	}
	o := &wire.Origin{Peer: []byte("10.0.0.1"), Addr: []byte("10.0.0.1"), Port: []byte("5000")}
	found, err := p.Apply(head, h, o)
	switch {
	case err != nil:
		return err.Reason
	case !found:
		return "nothing"
	}
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if string(o.Addr) != "10.0.0.1" || string(o.Port) != "5000" {
		add("client %s %s", o.Addr, o.Port)
	}
	if o.HTTPS {
		add("https")
	}
	if o.Host.Len > 0 {
		host := string(o.Host.Of(head))
		if o.HostPort {
			host += fmt.Sprintf(":%d", o.ServerPort)
		}
		add("host %s name %s", host, o.Host.Of(head)[:o.HostName])
	}
	if o.ServerPort > 0 {
		add("port %d", o.ServerPort)
	}
	if o.HasScript {
		add("mount %q", o.Script.Of(head))
	}
	if o.WholePath {
		add("path %s", h.Path.Of(head))
	}
	return strings.Join(words, ", ")
}

// claim is what a proxy writes, and what is made of it.
type claim struct{ lines, want string }

func judge(t *testing.T, p *Policy, claims []claim) {
	t.Helper()
	for _, c := range claims {
		var lines []string
		if c.lines != "" {
			lines = strings.Split(c.lines, "\n")
		}
		if got := told(p, lines...); got != c.want {
			t.Errorf("%s\n got  %s\n want %s", c.lines, got, c.want)
		}
	}
}

func TestWithoutFamilyTheEffectIsGunicorns(t *testing.T) {
	judge(t, policy(t, NoFamily, "10.0.0.1"), []claim{
		{"", "nothing"},
		{"Host: a\nAccept: */*\nUser-Agent: x\nConnection: keep-alive", "nothing"},
		{"X-Forwarded-Proto: https", "https"},
		{"x-forwarded-PROTO: https", "https"},
		{"X-Forwarded-Protocol: ssl", "https"},
		{"X-Forwarded-Ssl: on", "https"},
		{"X-Forwarded-Proto: HTTPS", ""}, // values are exact
		{"X-Forwarded-Proto: http", ""},
		{"X-Forwarded-Proto: ", ""},
		{"X-Forwarded-Proto: https, http", ""},
		{"X-Forwarded-Proto: https\nX-Forwarded-Ssl: on", "https"},
		{"X-Forwarded-Proto: https\nX-Forwarded-Ssl: off", ErrSchemes.Reason},
		{"X-Forwarded-Proto: https\nX-Forwarded-Proto: http", ErrSchemes.Reason},
		{"X-Forwarded-Proto: https\nX-Forwarded-Proto: https", "https"},
		{"SCRIPT_NAME: /shop", `mount "/shop"`},
		{"SCRIPT_NAME: /shop/", `mount "/shop"`},
		{"SCRIPT_NAME: /", `mount ""`},
		{"SCRIPT_NAME: ", `mount ""`},
		{"SCRIPT_NAME: shop", ErrMount.Reason},
		{"SCRIPT_NAME: //evil.example", ErrMount.Reason},
		{"SCRIPT_NAME: /a\nScript_Name: /b", ErrTwice.Reason},
		{"PATH_INFO: /a b", "path /a b"},
		{"SCRIPT_NAME: /shop\nPATH_INFO: /a", `mount "/shop", path /a`},
		{"PATH_INFO: a", ErrMount.Reason},
		{"PATH_INFO: /a\nPATH_INFO: /b", ErrTwice.Reason},
		// Neither family is read.
		{"X-Forwarded-For: 1.2.3.4\nX-Forwarded-Host: evil\nX-Forwarded-Prefix: /evil\nForwarded: for=1.2.3.4", "nothing"},
	})
}

func TestFamilyOfXForwarded(t *testing.T) {
	judge(t, policy(t, XForwarded, "10.0.0.0/8", "fd00::/8"), []claim{
		{"X-Forwarded-For: 1.2.3.4", "client 1.2.3.4 "},
		{"X-Forwarded-For: 1.2.3.4:80", "client 1.2.3.4 80"},
		{"X-Forwarded-For: 2001:DB8::1", "client 2001:db8::1 "},
		{"X-Forwarded-For: [2001:db8::1]:443", "client 2001:db8::1 443"},
		{"X-Forwarded-For: ::ffff:1.2.3.4", "client 1.2.3.4 "},
		// The first untrusted one from the right; what stands left of it is the client's own writing.
		{"X-Forwarded-For: 6.6.6.6, 1.2.3.4", "client 1.2.3.4 "},
		{"X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1, fd00::5", "client 1.2.3.4 "},
		{"X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 1.2.3.4,10.1.1.1", "client 1.2.3.4 "},
		{"X-Forwarded-For: ::ffff:10.1.1.1, 10.2.2.2", "client 10.1.1.1 "}, // all are ours
		{"X-Forwarded-For: <script>, 1.2.3.4", "client 1.2.3.4 "},
		{"X-Forwarded-For: , ,\t 1.2.3.4 \t,,", "client 1.2.3.4 "},
		{"X-Forwarded-For: ", ""},
		{"X-Forwarded-For: unknown", "client  "},
		{"X-Forwarded-For: 1.2.3.4, unknown", "client  "},
		{"X-Forwarded-For: <script>", ErrClient.Reason},
		{"X-Forwarded-For: 1.2.3.4:99999", ErrClient.Reason},
		{"X-Forwarded-For: 1.2.3.4:+80", ErrClient.Reason},
		{"X-Forwarded-For: 1.2.3.4:", ErrClient.Reason},
		{"X-Forwarded-For: 01.2.3.4", ErrClient.Reason},
		{"X-Forwarded-For: fe80::1%eth0", ErrClient.Reason},
		{"X-Forwarded-For: [1.2.3.4]", ErrClient.Reason},
		{"X-Forwarded-For: [::1", ErrClient.Reason},
		{"X-Forwarded-For: ]", ErrClient.Reason},
		{"X-Forwarded-For: [::1]x", ErrClient.Reason},

		{"X-Forwarded-Proto: https", "https"},
		{"X-Forwarded-Proto: HTTPS", "https"},
		{"X-Forwarded-Proto: wss", "https"},
		{"X-Forwarded-Proto: gopher", ErrScheme.Reason},
		{"X-Forwarded-Proto: http, https", "https"}, // one proxy: its own word is the last
		{"X-Forwarded-For: 1.2.3.4, 10.1.1.1\nX-Forwarded-Proto: http, https, http", "client 1.2.3.4 , https"},
		{"X-Forwarded-For: 1.2.3.4, 10.1.1.1\nX-Forwarded-Proto: https", "client 1.2.3.4 , https"},
		{"X-Forwarded-Proto: https\nX-Forwarded-Ssl: off", ErrSchemes.Reason},

		{"X-Forwarded-Host: a.example", "host a.example name a.example, port 80"},
		{"X-Forwarded-Host: a.example\nX-Forwarded-Proto: https", "https, host a.example name a.example, port 443"},
		{"X-Forwarded-Host: a.example:8443", "host a.example:8443 name a.example, port 8443"},
		{"X-Forwarded-Host: a.example\nX-Forwarded-Port: 8443", "host a.example:8443 name a.example, port 8443"},
		{"X-Forwarded-Host: a.example\nX-Forwarded-Port: 443\nX-Forwarded-Proto: https", "https, host a.example name a.example, port 443"},
		{"X-Forwarded-Host: a.example:1\nX-Forwarded-Port: 2", "host a.example:1 name a.example, port 1"},
		{"X-Forwarded-Host: a.example:", "host a.example name a.example, port 80"},
		{"X-Forwarded-Host: [::1]:8", "host [::1]:8 name [::1], port 8"},
		{"X-Forwarded-Host: evil, a.example", "host a.example name a.example, port 80"},
		{"X-Forwarded-Host: a b", ErrHost.Reason},
		{"X-Forwarded-Host: a/../b", ErrHost.Reason},
		{"X-Forwarded-Host: user@a", ErrHost.Reason},
		{"X-Forwarded-Host: a\x00b", ErrHost.Reason},
		{"X-Forwarded-Host: a\r\nX-Evil: b", ErrHost.Reason},
		{"X-Forwarded-Host: :80", ErrHost.Reason},
		{"X-Forwarded-Host: a:70000", ErrPort.Reason},
		{"X-Forwarded-Host: a:0", ErrPort.Reason},
		{"X-Forwarded-Port: 8443", "port 8443"},
		{"X-Forwarded-Port: 0", ErrPort.Reason},
		{"X-Forwarded-Port: 65536", ErrPort.Reason},
		{"X-Forwarded-Port: 80x", ErrPort.Reason},
		{"X-Forwarded-Port: -1", ErrPort.Reason},

		{"X-Forwarded-Prefix: /shop/", `mount "/shop", path /path`},
		{"X-Forwarded-Prefix: shop", ErrMount.Reason},
		{"X-Forwarded-Prefix: //evil.example", ErrMount.Reason},
		{"X-Forwarded-Prefix: /a\nSCRIPT_NAME: /b", `mount "/b"`},
		{"Forwarded: for=6.6.6.6;host=evil;proto=https", "nothing"}, // the other family
	})
}

func TestFamilyOfForwarded(t *testing.T) {
	judge(t, policy(t, Forwarded, "10.0.0.0/8"), []claim{
		{"Forwarded: for=1.2.3.4", "client 1.2.3.4 "},
		{`FORWARDED: For="1.2.3.4:80";Proto=HTTPS;Host="a.example:8443";by=_us`, "client 1.2.3.4 80, https, host a.example:8443 name a.example, port 8443"},
		{`Forwarded: for="[2001:db8::1]"`, "client 2001:db8::1 "},
		{`Forwarded: for="[2001:db8::1]:4711"`, "client 2001:db8::1 4711"},
		{`Forwarded: for="1.2.3.4:_port"`, "client 1.2.3.4 "},
		{"Forwarded: for=unknown", "client  "},
		{"Forwarded: for=_hidden", "client  "},
		{"Forwarded: for=6.6.6.6;host=evil, for=1.2.3.4;host=a.example , for=10.1.1.1;host=inner", "client 1.2.3.4 , host a.example name a.example, port 80"},
		{"Forwarded: for=6.6.6.6;proto=https\nForwarded: for=1.2.3.4", "client 1.2.3.4 "},
		{"Forwarded: for=10.2.2.2;proto=https,for=10.1.1.1", "client 10.2.2.2 , https"},
		{"Forwarded: proto=https", "https"},
		{"Forwarded: for=1.2.3.4;;proto=https;", "client 1.2.3.4 , https"},
		{"Forwarded: , ,for=1.2.3.4,\t,", "client 1.2.3.4 "},
		{"Forwarded: ", ""},
		{`Forwarded: secret="a,for=6.6.6.6;\"";for=1.2.3.4`, "client 1.2.3.4 "},
		{`Forwarded: x="1", for=1.2.3.4`, "client 1.2.3.4 "},

		{"Forwarded: for=2001:db8::1", ErrClient.Reason},
		{`Forwarded: for="2001:db8::1"`, ErrClient.Reason},
		{"Forwarded: for=1.2.3.4; proto=https", ErrForwarded.Reason},
		{"Forwarded: for = 1.2.3.4", ErrForwarded.Reason},
		{"Forwarded: for=1.2.3.4 for=5.6.7.8", ErrForwarded.Reason},
		{"Forwarded: for=1.2.3.4;for=5.6.7.8", ErrForwarded.Reason},
		{"Forwarded: for=1.2.3.4;proto=http;PROTO=https", ErrForwarded.Reason},
		{"Forwarded: for", ErrForwarded.Reason},
		{"Forwarded: for=", ErrForwarded.Reason},
		{"Forwarded: =1.2.3.4", ErrForwarded.Reason},
		{`Forwarded: for="1.2.3.4`, ErrForwarded.Reason},
		{`Forwarded: for="1.2.3.4"x`, ErrForwarded.Reason},
		{`Forwarded: x="\`, ErrForwarded.Reason},
		{"Forwarded: x=\"open\nForwarded: for=1.2.3.4", ErrForwarded.Reason}, // what a client left open
		{`Forwarded: for="1.2.3.\4"`, ErrClient.Reason},
		{`Forwarded: for=evil`, ErrClient.Reason},
		{`Forwarded: for=""`, ErrClient.Reason},
		{`Forwarded: for="1.2.3.4:99999"`, ErrClient.Reason},
		{`Forwarded: host="a\b"`, ErrHost.Reason},
		{`Forwarded: host=""`, ErrHost.Reason},
		{`Forwarded: host="a b"`, ErrHost.Reason},
		{`Forwarded: host="a:99999"`, ErrPort.Reason},
		{"Forwarded: proto=gopher", ErrScheme.Reason},
		// The other family is not even believed on the scheme.
		{"X-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil\nX-Forwarded-Prefix: /evil", "nothing"},
		{"X-Forwarded-Proto: https\nForwarded: for=1.2.3.4;proto=http", "client 1.2.3.4 "},
		{"Forwarded: for=1.2.3.4\nSCRIPT_NAME: /shop", `client 1.2.3.4 , mount "/shop"`},
	})
}

func TestAnyoneMayConnectIsNotThatEveryAddressIsAProxy(t *testing.T) {
	judge(t, policy(t, XForwarded, "*"), []claim{{"X-Forwarded-For: 6.6.6.6, 1.2.3.4", "client 1.2.3.4 "}})
	judge(t, policy(t, XForwarded, "*", "10.0.0.0/8"), []claim{{"X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1", "client 1.2.3.4 "}})
	judge(t, policy(t, Forwarded, "*"), []claim{{"Forwarded: for=6.6.6.6, for=1.2.3.4", "client 1.2.3.4 "}})
}

func TestOperatorChoosesTheHeaders(t *testing.T) {
	p := New(Options{Secure: []Header{{"X-Tls", "yes"}}, Forwarders: []string{"*"}, Family: Forwarded})
	judge(t, p, []claim{{"X-Tls: yes", "https"}, {"X-Tls: no\nForwarded: proto=https", ErrSchemes.Reason}, {"SCRIPT_NAME: /a", `mount "/a"`}})
	p = New(Options{Forwarders: []string{"REMOTE_USER"}})
	judge(t, p, []claim{{"SCRIPT_NAME: /a\nPATH_INFO: /b\nX-Forwarded-Proto: https", "nothing"}})
}

func TestReadingAProxysWordDoesNotAllocate(t *testing.T) {
	for family, line := range map[Family]string{XForwarded: "X-Forwarded-For: 6.6.6.6, 1.2.3.4:80, 10.1.1.1", Forwarded: `Forwarded: for="[2001:db8::1]:80";proto=https`} {
		p := policy(t, family, "10.0.0.0/8")
		head, h := headOf("Host: a", line, "X-Forwarded-Host: a.example", "SCRIPT_NAME: /a")
		o := &wire.Origin{}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Apply(head, h, o); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("family %d: %v allocations", family, n)
		}
	}
}
