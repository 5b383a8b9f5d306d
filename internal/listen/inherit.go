//go:build linux

package listen

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Activated returns the sockets that a service manager has opened for this process (sd_listen_fds(3)), by their numbers. The
// environment does not speak of them afterwards.
func Activated() (map[int]*Listener, error) {
	all := map[int]*Listener{}
	var errs []error
	for _, file := range activation.Files(true) {
		number := int(file.Fd())
		fd, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
		errs = append(errs, file.Close())
		if err == nil {
			all[number], err = Adopt(fd)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("descriptor %d: %w", number, err))
		}
	}
	return all, errors.Join(errs...)
}

// Adopt takes over a listening socket that this process was given. Whoever has made it removes the path of a Unix socket.
func Adopt(fd int) (*Listener, error) {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	switch {
	case errors.Is(err, unix.EBADF):
		return nil, errors.New("it is not open")
	case err != nil || listening == 0:
		return nil, errors.New("it is no listening socket")
	}
	address := Address{}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4, *unix.SockaddrInet6:
		address.Host = hostOf(name)
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	case *unix.SockaddrUnix:
		address.Path = name.Name
	default:
		return nil, errors.New("it is no socket of TCP or of a path")
	}
	unix.CloseOnExec(fd)
	if err = errors.Join(err, unix.SetNonblock(fd, true)); err != nil {
		return nil, err
	}
	return &Listener{FD: fd, Address: bound(fd, address)}, nil
}

func hostOf(name unix.Sockaddr) string {
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(name.Addr).String()
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(name.Addr).String()
	}
	return ""
}
