package proxy

import (
	"net/netip"
	"testing"
)

func TestPeersAreTrustedByAddressNetworkOrAll(t *testing.T) {
	for _, c := range []struct {
		list    []string
		peer    string
		trusted bool
	}{
		{[]string{"127.0.0.1", "::1"}, "127.0.0.1", true},
		{[]string{"127.0.0.1", "::1"}, "::1", true},
		{[]string{"127.0.0.1", "::1"}, "127.0.0.2", false},
		{[]string{"10.0.0.0/8"}, "10.255.0.1", true},
		{[]string{"10.0.0.0/8"}, "11.0.0.1", false},
		{[]string{"::ffff:10.0.0.1"}, "10.0.0.1", true},
		{[]string{"fd00::/8"}, "fd12::1", true},
		{[]string{"*"}, "8.8.8.8", true},
		{nil, "127.0.0.1", false},
	} {
		a, err := ParseAllowed(c.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Trusts(netip.MustParseAddr(c.peer)); got != c.trusted {
			t.Errorf("%v trusts %s: %v", c.list, c.peer, got)
		}
		if !a.Trusts(netip.Addr{}) {
			t.Errorf("%v does not trust a Unix socket", c.list)
		}
	}
	for _, text := range []string{"", "localhost", "10.0.0.0/33", "1.2.3"} {
		if _, err := ParseAllowed([]string{text}); err == nil {
			t.Errorf("%q is an address", text)
		}
	}
}
