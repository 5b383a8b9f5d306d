package proxy

import (
	"bytes"
	"net/netip"
	"strconv"
	"unsafe"

	"speyside.dev/speyside/internal/wire"
)

// node is who is at the other end of a proxy, as the proxy says.
type node struct {
	ip   netip.Addr // not valid: unknown, or the proxy does not tell
	port int        // -1: not told
}

// parseNode reads an address with or without a port. IPv6 stands in brackets, or bare where loose.
//
//	node = ( IPv4address / "[" IPv6address "]" / "unknown" / obfnode ) [ ":" ( port / obfport ) ]     RFC 7239 6
func parseNode(text []byte, loose bool) (n node, ok bool) {
	host, port, hasPort := text, []byte(nil), false
	bracket := bytes.IndexByte(text, ']')
	switch {
	case bracket >= 0:
		host, port = text[:bracket+1], text[bracket+1:]
		if hasPort = len(port) > 0; hasPort && port[0] != ':' || host[0] != '[' {
			return n, false
		}
		if hasPort {
			port = port[1:]
		}
	case !loose || bytes.Count(text, []byte(":")) < 2:
		host, port, hasPort = bytes.Cut(text, []byte(":"))
	}
	if n.port = -1; hasPort {
		if n.port, ok = parseNodePort(port); !ok {
			return n, false
		}
	}
	switch {
	case isObfuscated(host) || equalFold(host, "unknown"):
		return n, true
	case bracket >= 0:
		n.ip = parseIP(host[1:bracket])
		return node{n.ip.Unmap(), n.port}, n.ip.Is6()
	}
	n.ip = parseIP(host)
	return node{n.ip.Unmap(), n.port}, n.ip.Is4() || loose && n.ip.IsValid()
}

// parseIP returns an invalid address for what is none, or has a zone: that means nothing on another machine.
func parseIP(text []byte) netip.Addr {
	if len(text) == 0 {
		return netip.Addr{}
	}
	// ParseAddr keeps its argument in an error only, which is dropped: no copy is needed.
	ip, err := netip.ParseAddr(unsafe.String(&text[0], len(text)))
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}
	}
	return ip
}

func parseNodePort(text []byte) (port int, ok bool) {
	if isObfuscated(text) {
		return -1, true
	}
	return parsePort(text)
}

// parsePort reads a number of at most five digits that is a port.
func parsePort(text []byte) (port int, ok bool) {
	if len(text) == 0 || len(text) > 5 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		port = port*10 + int(c-'0')
	}
	return port, port <= 65535
}

// isObfuscated reads "_" 1*( ALPHA / DIGIT / "." / "_" / "-" ), RFC 7239 6.3.
func isObfuscated(text []byte) bool {
	if len(text) < 2 || text[0] != '_' {
		return false
	}
	for _, c := range text {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// equalFold compares with a lower-case word in any case.
func equalFold(text []byte, word string) bool {
	return len(text) == len(word) && bytes.EqualFold(text, []byte(word))
}

// setClient writes the client's address. Of one that is unknown the application is told nothing: the proxy's own address would
// make it pass for somebody who is trusted.
func setClient(o *wire.Origin, n node) {
	o.Addr, o.Port = nil, nil
	if !n.ip.IsValid() {
		return
	}
	text := n.ip.AppendTo(o.Text[:0])
	end := len(text)
	o.Addr = text[:end:end]
	if n.port >= 0 {
		o.Port = strconv.AppendInt(text, int64(n.port), 10)[end:]
	}
}
