//go:build !linux

package control

import (
	"net"

	"speyside.dev/speyside/internal/fault"
)

// peer is who is at the other end of a connection.
type peer struct{ pid, uid int }

func peerOf(net.Conn) (peer, error) { return peer{}, fault.New(fault.PlatformNotSupported, "") }
