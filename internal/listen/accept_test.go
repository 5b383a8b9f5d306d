//go:build linux

package listen_test

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/listen"
)

func open(t *testing.T, address listen.Address) *listen.Listener {
	t.Helper()
	l, err := listen.Open(t.Context(), address, listen.Options{Backlog: 4, Mode: 0o600})
	if err != nil {
		if address.Host != "127.0.0.1" && address.Path == "" {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(l.FD) })
	return l
}

func TestAcceptSaysWhoHasConnected(t *testing.T) {
	for host, target := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "::": "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			l := open(t, listen.Address{Host: host})
			c, err := net.Dial("tcp", net.JoinHostPort(target, strconv.Itoa(l.Address.Port)))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fd, peer, errno := l.Accept()
			if errno != 0 {
				t.Fatal(errno)
			}
			defer unix.Close(fd)
			if peer.String() != c.LocalAddr().String() {
				t.Errorf("%s has connected, not %s", peer, c.LocalAddr())
			}
			expectOptions(t, fd)
		})
	}
}

// expectOptions expects what a connection on a loop needs, without a system call for each.
func expectOptions(t *testing.T, fd int) {
	t.Helper()
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || status&unix.O_NONBLOCK == 0 {
		t.Errorf("the connection blocks: %v", err)
	}
	descriptor, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || descriptor&unix.FD_CLOEXEC == 0 {
		t.Errorf("other programs inherit the connection: %v", err)
	}
	if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
		t.Errorf("small replies wait: %v", err)
	}
}

func TestAcceptOnAUnixSocketNamesNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := open(t, listen.Address{Path: path})
	if _, _, errno := l.Accept(); errno != unix.EAGAIN {
		t.Errorf("nobody waits: %v", errno)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fd, peer, errno := l.Accept()
	if errno != 0 || peer.IsValid() {
		t.Fatalf("%s has connected: %v", peer, errno)
	}
	_ = unix.Close(fd)
}
