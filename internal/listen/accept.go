//go:build linux

package listen

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accept takes the connection that has waited longest, non-blocking, and says who has connected; on a Unix socket the address is not
// valid. IPv4 addresses mapped into IPv6 are IPv4. EAGAIN says that nobody waits.
// Unlike [unix.Accept4] it does not ask each socket for its protocol.
func (l *Listener) Accept() (fd int, peer netip.AddrPort, errno syscall.Errno) {
	var name unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(l.FD), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	return int(n), addressOf(&name), 0
}

func addressOf(name *unix.RawSockaddrAny) netip.AddrPort {
	switch name.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), port(in.Port))
	}
	return netip.AddrPort{}
}

// port is one in the byte order of the network, as the kernel has it.
func port(raw uint16) uint16 {
	var bytes [2]byte
	binary.NativeEndian.PutUint16(bytes[:], raw)
	return binary.BigEndian.Uint16(bytes[:])
}
