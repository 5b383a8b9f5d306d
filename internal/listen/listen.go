//go:build linux

// Package listen opens the sockets that clients connect to.
//
// Callers need [Open]. The package binds and listens; accepting is the loops' business.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Address is where to listen: a host and port, the path of a Unix socket, or a descriptor that this process was given.
type Address struct {
	Host string // name or IP address; empty for all IPv4 addresses
	Port int    // 0: the kernel chooses
	Path string // of a Unix socket, if not empty
	FD   int    // of a listening socket, if not 0
}

// Options are the same for all sockets.
type Options struct {
	Backlog int         // connections the kernel may hold for us
	Mode    fs.FileMode // of a Unix socket
}

// Listener is an open listening socket, non-blocking.
type Listener struct {
	FD      int
	Address Address // as bound: the port is the true one
	owned   bool    // the path of its Unix socket is removed at the end
}

// ErrInUse is returned when somebody else listens on the address.
var ErrInUse = errors.New("address already in use")

// Open binds and listens. A name that stands for several addresses is bound to the first, IPv4 before IPv6.
func Open(ctx context.Context, address Address, options Options) (*Listener, error) {
	if address.FD != 0 {
		return Adopt(address.FD)
	}
	if address.Path != "" {
		return openUnix(address, options)
	}
	ip, err := resolve(ctx, address.Host)
	if err != nil {
		return nil, err
	}
	domain, sockaddr := sockaddrOf(ip, address.Port)
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	// SO_REUSEADDR lets a restart take the port while old connections linger; Linux still allows one listener only. The
	// accepted sockets inherit TCP_NODELAY.
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	if err == nil {
		err = bindAndListen(fd, sockaddr, options.Backlog)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Listener{FD: fd, Address: bound(fd, address)}, nil
}

func resolve(ctx context.Context, host string) (netip.Addr, error) {
	if host == "" {
		return netip.IPv4Unspecified(), nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, network := range []string{"ip4", "ip6"} {
		if ips, err := net.DefaultResolver.LookupNetIP(ctx, network, host); err == nil && len(ips) > 0 {
			return ips[0].Unmap(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address is known for the host %q", host)
}

func sockaddrOf(ip netip.Addr, port int) (domain int, address unix.Sockaddr) {
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}
	}
	zone := uint32(0)
	if i, err := net.InterfaceByName(ip.Zone()); err == nil {
		zone = uint32(i.Index)
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: ip.As16(), ZoneId: zone}
}

func bindAndListen(fd int, address unix.Sockaddr, backlog int) error {
	err := unix.Bind(fd, address)
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return ErrInUse
	}
	return err
}

// bound fills in the port that the kernel chose.
func bound(fd int, address Address) Address {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return address
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		address.Port = name.Port
	case *unix.SockaddrInet6:
		address.Port = name.Port
	}
	return address
}

// openUnix binds to a path. A socket that nobody answers on is what a killed server left, and is replaced.
func openUnix(address Address, options Options) (*Listener, error) {
	if err := clearPath(address.Path); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := bindAndListen(fd, &unix.SockaddrUnix{Name: address.Path}, options.Backlog); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if err := os.Chmod(address.Path, options.Mode); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Listener{FD: fd, Address: address, owned: true}, nil
}

func clearPath(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	connection, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = connection.Close()
		return ErrInUse
	case errors.Is(err, unix.ECONNREFUSED): // nobody has it any more
		return os.Remove(path)
	case errors.Is(err, unix.EAGAIN): // so many wait for whoever has it that no more may
		return ErrInUse
	}
	return fmt.Errorf("asking whether somebody listens there: %w", err)
}

// Close stops listening and removes the path of a Unix socket.
func (l *Listener) Close() error {
	if l.owned {
		_ = os.Remove(l.Address.Path)
	}
	return unix.Close(l.FD)
}

// Owned reports whether the end of the listener is that of its path.
func (l *Listener) Owned() bool { return l.owned }

// Own has Close remove the path of a Unix socket that somebody else has made.
func (l *Listener) Own() { l.owned = true }

// Disown leaves the path to somebody else.
func (l *Listener) Disown() { l.owned = false }
