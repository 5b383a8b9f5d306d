package proxy

import (
	"fmt"
	"net/netip"
	"strings"
)

// Allowed is a list of addresses and networks that are believed.
type Allowed struct {
	anyone   bool
	networks []netip.Prefix
}

// ParseAllowed reads addresses, networks in CIDR notation, and "*" for anyone who connects.
func ParseAllowed(list []string) (Allowed, error) {
	var a Allowed
	for _, text := range list {
		if text == "*" {
			a.anyone = true
			continue
		}
		network, err := parseNetwork(text)
		if err != nil {
			return Allowed{}, fmt.Errorf("reading %q: %w", text, err)
		}
		a.networks = append(a.networks, network)
	}
	return a, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return ip.Unmap().Prefix(ip.Unmap().BitLen())
}

// Trusts reports whether the peer of a connection is believed. One without an address, on a Unix socket, always is: its access is
// a matter of file permissions.
func (a *Allowed) Trusts(peer netip.Addr) bool { return !peer.IsValid() || a.anyone || a.names(peer) }

// names reports whether the address is in the list. "*" is about who connects: it makes no proxy of every address that a header
// has, or a client could put one of its own behind its name.
func (a *Allowed) names(ip netip.Addr) bool {
	for _, network := range a.networks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}
