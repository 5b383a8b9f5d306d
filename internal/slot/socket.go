//go:build linux

package slot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sockets are one pair per port: workers hand files over at one end, and the loop takes them at the other.
type sockets struct {
	inner []int
	outer []*os.File
}

// make makes n pairs. What was made before an error is there to be closed.
func (s *sockets) make(n int) error {
	for range n {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("making the socket of a port: %w", err)
		}
		s.inner = append(s.inner, ends[0])
		s.outer = append(s.outer, os.NewFile(uintptr(ends[1]), "socket"))
	}
	return nil
}

func (s *sockets) close() error {
	var errs []error
	for i := range s.inner {
		errs = append(errs, unix.Close(s.inner[i]), s.outer[i].Close())
	}
	return errors.Join(errs...)
}

// Sockets are the workers' ends of the ports' sockets, for the processes that join the segment.
func (s *Segment) Sockets() []*os.File { return s.sockets.outer }

// Inlet is the loop's end of port i's socket.
func (s *Segment) Inlet(i int) int { return s.sockets.inner[i] }
