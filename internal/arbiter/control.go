//go:build linux

package arbiter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	longestMessage = 64 << 10
	sendTimeout    = time.Second // orders are few and small: a socket buffer that is full means that nobody reads
)

// control is the front's end of a control socket.
type control struct {
	conn   *net.UnixConn
	buffer []byte // of receive, which has one caller
}

// malformedError is of a message that is none.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return "a message that cannot be read: " + e.err.Error() }

// longOrderError is of an order that nobody could read whole.
type longOrderError struct{ bytes int }

func (e *longOrderError) Error() string {
	return fmt.Sprintf("an order has %d bytes, and at most %d are read", e.bytes, longestMessage)
}

// newControl returns our end and the end to be given away, which the caller closes.
func newControl() (ours *control, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a control socket: %w", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "control")
	file := os.NewFile(uintptr(pair[0]), "control")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("making a control socket: %w", err)
	}
	return &control{conn.(*net.UnixConn), make([]byte, longestMessage+1)}, theirs, nil
}

// send gives an order, with descriptors.
func (c *control) send(order any, files ...*os.File) error {
	message, err := json.Marshal(order)
	if err != nil {
		return err
	}
	if len(message) > longestMessage {
		return &longOrderError{len(message)}
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, 0, len(files))
		for _, file := range files {
			fds = append(fds, int(file.Fd()))
		}
		rights = unix.UnixRights(fds...)
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, _, err = c.conn.WriteMsgUnix(message, rights, nil)
	return err
}

// receive waits for the next fact. Descriptors that come along are refused by the kernel: there is no room for them.
func (c *control) receive() (fact, error) {
	n, err := c.conn.Read(c.buffer)
	for errors.Is(err, unix.ECONNRESET) { // said once, when it has left orders unread; its facts come after
		n, err = c.conn.Read(c.buffer)
	}
	switch {
	case err != nil:
		return fact{}, err
	case n == 0:
		return fact{}, io.EOF
	case n > longestMessage:
		return fact{}, &malformedError{fmt.Errorf("a message of more than %d bytes", longestMessage)}
	}
	var f fact
	if err := json.Unmarshal(c.buffer[:n], &f); err != nil {
		return fact{}, &malformedError{err}
	}
	return f, nil
}

// hush ends receive after the facts that have already arrived. Others may still hold the other end of a dead process.
func (c *control) hush() { _ = c.conn.CloseRead() }

// dismiss tells the other side to exit; its facts are still received.
func (c *control) dismiss() { _ = c.conn.CloseWrite() }

func (c *control) close() { _ = c.conn.Close() }
