//go:build linux

package front

import (
	"bytes"
	"net/netip"
	"strconv"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/http1"
	"speyside.dev/speyside/internal/proxy"
	"speyside.dev/speyside/internal/wire"
)

// Proxies are those in front of us, and what they may say.
type Proxies struct {
	Policy   *proxy.Policy
	Protocol proxy.Protocol // of PROXY, before the first request; 0: none
	Speakers proxy.Allowed  // who may speak it
}

// Who is behind a connection: its peer, or whom a proxy in front names, for the whole connection with the PROXY protocol
// (phasePreamble), for one request by its headers. What a connection without proxy has to do for this is one AND for each request.

// setPeer takes who has connected.
func (c *conn) setPeer(peer netip.AddrPort) {
	proxies := &c.lane.options.Proxies
	c.setClient(peer)
	c.believe(proxies.Policy.Allowed().Trusts(peer.Addr()))
	c.phase = phaseHead
	if proxies.Protocol != 0 {
		c.phase, c.speaks = phasePreamble, proxies.Speakers.Trusts(peer.Addr())
	}
}

// setClient formats the client's address once for all requests of the connection.
func (c *conn) setClient(client netip.AddrPort) {
	c.request.RemoteAddr, c.request.RemotePort = nil, nil
	if !client.IsValid() {
		return
	}
	text := client.Addr().AppendTo(c.peer[:0])
	n := len(text)
	text = strconv.AppendInt(text, int64(client.Port()), 10)
	c.request.RemoteAddr, c.request.RemotePort = text[:n:n], text[n:]
}

// believe says whether the headers of a proxy count.
func (c *conn) believe(trusted bool) {
	c.limits, c.telling = &c.lane.limits, 0
	if trusted {
		c.limits, c.telling = &c.lane.trusting, c.lane.options.Proxies.Policy.Names()
	}
}

// findOrigin reads what a proxy says of the request whose head is complete.
func (c *conn) findOrigin(head []byte) *http1.Error {
	if c.request.Origin == nil && c.head.Names&c.telling == 0 {
		return nil
	}
	if c.origin == nil {
		c.origin = &wire.Origin{Peer: c.request.RemoteAddr}
	}
	o := c.origin
	*o = wire.Origin{HTTPS: c.request.HTTPS, Peer: o.Peer, Addr: c.request.RemoteAddr, Port: c.request.RemotePort}
	if c.request.Origin = nil; c.relayed {
		c.request.Origin = o
	}
	if c.head.Names&c.telling == 0 {
		return nil
	}
	found, err := c.lane.options.Proxies.Policy.Apply(head, &c.head, o)
	if err != nil {
		c.doubt(fault.ForwardedInvalid, err.Error())
		return &http1.Error{Status: 400, Reason: err.Reason, Section: err.Section}
	}
	if found {
		c.request.Origin = o
	}
	return nil
}

// doubt tells the operator of a proxy that is probably set up wrongly.
func (c *conn) doubt(why *fault.Fault, reason string) {
	f := c.lane.front
	if untold := f.doubts.turn(); untold > 0 {
		f.options.Log.Warn("proxies refused", "more", untold)
	}
	peer := c.request.RemoteAddr
	if c.relayed {
		peer = c.origin.Peer
	}
	if f.doubts.take(1) {
		f.options.Log.Warn("proxy refused", "peer", string(peer), "why", reason, "status", why.Status, "code", why.Code)
	}
}

// readPreamble reads the header of the PROXY protocol, if the connection begins with one. It reports false when it can do nothing
// more now.
func (c *conn) readPreamble() bool {
	g := c.wantGather()
	for {
		if len(g.input) > 0 {
			preamble, more, err := c.lane.options.Proxies.Protocol.Read(g.input)
			if preamble.Len > 0 || err != nil {
				return c.takePreamble(preamble, err)
			}
			if !more {
				c.phase = phaseHead
				return true
			}
		}
		if !c.receiveGathered() {
			if c.phase == phasePreamble && len(g.input) == 0 {
				c.dropGather()
			}
			return false
		}
	}
}

// takePreamble makes the connection that of the client whom the proxy names. A TCP proxy passes on what its client writes, so it
// is the client that must be trusted for its headers; one that the proxy does not name cannot be.
func (c *conn) takePreamble(p proxy.Preamble, err error) bool {
	switch {
	case !c.speaks:
		c.doubt(fault.PreambleForbidden, fault.PreambleForbidden.Text)
		c.refuse(403, "This peer may not speak the PROXY protocol.\n")
		return false
	case err != nil:
		c.doubt(fault.PreambleInvalid, err.Error())
		c.refuse(400, "The PROXY protocol header is malformed.\n")
		return false
	}
	g := c.gather
	if g.input = g.input[:copy(g.input, g.input[p.Len:])]; len(g.input) == 0 {
		c.dropGather()
	}
	c.phase = phaseHead
	switch {
	case p.Local:
	case !p.Source.IsValid():
		c.believe(false)
	default:
		c.origin, c.relayed = &wire.Origin{Peer: bytes.Clone(c.request.RemoteAddr)}, true
		c.request.Origin = c.origin
		c.setClient(p.Source)
		c.believe(c.lane.options.Proxies.Policy.Allowed().Trusts(p.Source.Addr()))
	}
	return true
}
