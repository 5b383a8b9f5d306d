package control

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// peer is who is at the other end of a connection. A pid of 0 is a process that this one cannot see.
type peer struct{ pid, uid int }

func peerOf(c net.Conn) (peer, error) {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return peer{}, errors.New("not a Unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var credentials *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		credentials, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(controlErr, err); err != nil {
		return peer{}, err
	}
	return peer{int(credentials.Pid), int(credentials.Uid)}, nil
}
