package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// Protocol is which versions of the PROXY protocol are read.
type Protocol uint8

// The versions; they may be joined.
const (
	V1 Protocol = 1 << iota
	V2
)

// Preamble is what begins a connection when the PROXY protocol is spoken.
type Preamble struct {
	Len    int            // its bytes; 0 when there is none
	Source netip.AddrPort // who talks to the proxy; not valid: the proxy does not say
	Local  bool           // the proxy itself talks to us, as for a check of our health
}

const (
	longestV1 = 107            // with the line end, as the protocol has it
	fixedV2   = 16             // before the addresses
	longestV2 = fixedV2 + 4096 // with what proxies add in practice; the library takes no more
)

var (
	beginsV1 = []byte("PROXY ")
	beginsV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// Read looks at the bytes b, with which a connection begins. It reports more when they may become a header and have not yet; else
// the header, if there is one, is complete. The library wants all bytes at once, so how long the header is, is found here.
func (p Protocol) Read(b []byte) (found Preamble, more bool, err error) {
	switch {
	case p&V1 != 0 && begins(b, beginsV1):
		found.Len, more, err = lengthV1(b)
	case p&V2 != 0 && begins(b, beginsV2):
		found.Len, more, err = lengthV2(b)
	}
	if found.Len == 0 || more || err != nil {
		return Preamble{}, more, err
	}
	header := b[:found.Len]
	if header[0] == beginsV2[0] && header[12] == 0x21 && header[13] == 0 { // of no family: the proxy does not say
		return found, false, nil
	}
	read, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), longestV1+1))
	if err != nil {
		return Preamble{}, false, fmt.Errorf("reading a PROXY header: %w", err)
	}
	found.Local = read.Version == 2 && read.Command.IsLocal()
	if !found.Local {
		found.Source = addrPort(read.SourceAddr)
	}
	return found, false, nil
}

// begins reports whether b begins with signature, or is the beginning of it.
func begins(b, signature []byte) bool {
	n := min(len(b), len(signature))
	return n > 0 && bytes.Equal(b[:n], signature[:n])
}

func lengthV1(b []byte) (n int, more bool, err error) {
	if end := bytes.IndexByte(b[:min(len(b), longestV1)], '\n'); end >= 0 {
		return end + 1, false, nil
	}
	if len(b) >= longestV1 {
		return 0, false, proxyproto.ErrVersion1HeaderTooLong
	}
	return 0, true, nil
}

func lengthV2(b []byte) (n int, more bool, err error) {
	if len(b) < fixedV2 {
		return 0, true, nil
	}
	n = fixedV2 + int(binary.BigEndian.Uint16(b[14:]))
	if n > longestV2 {
		return 0, false, proxyproto.ErrInvalidLength
	}
	return n, len(b) < n, nil
}

// addrPort is an address of the library's; that of a Unix socket says nothing of who the client is.
func addrPort(address net.Addr) netip.AddrPort {
	var ip netip.AddrPort
	switch address := address.(type) {
	case *net.TCPAddr:
		ip = address.AddrPort()
	case *net.UDPAddr:
		ip = address.AddrPort()
	}
	return netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port())
}
