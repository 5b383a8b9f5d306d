//go:build linux

package front_test

import (
	"bufio"
	"fmt"
	"testing"

	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/proxy"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

// trusting believes peers on this machine.
func trusting(t testing.TB, o *front.Options) {
	allowed, err := proxy.ParseAllowed([]string{"127.0.0.1"})
	check(t, err)
	forwarders := []string{"SCRIPT_NAME", "PATH_INFO"}
	o.Proxies.Policy = proxy.New(proxy.Options{Allowed: allowed, Forwarders: forwarders, Family: proxy.XForwarded})
	o.Limits.Kept = forwarders
}

// tellOrigin answers with what the slot says of where the request came from.
func tellOrigin(worker *slottest.Worker, i uint32) {
	s, head := worker.Slot(i), worker.RequestHead(i)
	told := fmt.Sprintf("%s by %s", s.RemoteAddr[:s.RemoteAddrLen], "nobody")
	if s.Flags&wire.FlagOrigin != 0 {
		told = fmt.Sprintf("%s by %s https %v host %s mount %s path %s", s.RemoteAddr[:s.RemoteAddrLen], s.PeerAddr[:s.PeerAddrLen],
			s.Flags&wire.FlagHTTPS != 0, head[s.HostAt:][:s.HostLen], head[s.ScriptAt:][:s.ScriptLen], head[s.PathAt:][:s.PathLen])
	}
	worker.Head(i, 200, "200 OK", "", []byte(told), 0)
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
}

const proxied = "GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n" +
	"SCRIPT_NAME: /shop\r\nPATH_INFO: /cart\r\n\r\n"

const proxiedTold = "1.2.3.4 by 127.0.0.1 https true host b.example mount /shop path /cart"

func TestWhatAProxySaysIsOfOneRequestOnly(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { trusting(t, o) })
	w.work(0, tellOrigin)
	c := w.dial()
	r := bufio.NewReader(c)
	for range 3 {
		fmt.Fprint(c, proxied)
		if _, told := w.read(r); told != proxiedTold {
			t.Errorf("got %s", told)
		}
		fmt.Fprint(c, get)
		if _, told := w.read(r); told != "127.0.0.1 by nobody" {
			t.Errorf("got %s", told)
		}
	}
}

func TestWhatAProxySaysMovesWithItsRequest(t *testing.T) {
	w := startWith(t, 1, 1, func(o *front.Options) { trusting(t, o) })
	c := w.dial()
	fmt.Fprint(c, proxied)
	w.awaitInLine(1)
	w.switchOver(1, 1)
	w.work(0, tellOrigin)
	if _, told := w.read(bufio.NewReader(c)); told != proxiedTold {
		t.Errorf("got %s", told)
	}
}
