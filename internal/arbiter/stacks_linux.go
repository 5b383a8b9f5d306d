package arbiter

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// dumpSignal has the thread that receives it write its Python stack to the worker's pipe of stacks: faulthandler, in
// python/speyside/worker.py. It is the last but one of the real-time signals, which applications hardly use.
const dumpSignal = 63

const longestDump = 16 << 10

// newStacks returns a pipe for what faulthandler writes. Neither end blocks: who fills it up loses the rest.
func newStacks() (ours, theirs *os.File, err error) {
	var pair [2]int
	if err := unix.Pipe2(pair[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, nil, fmt.Errorf("making a pipe: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "stacks"), os.NewFile(uintptr(pair[1]), "stacks"), nil
}

// dumped returns what faulthandler has written so far, made harmless.
func (w *worker) dumped() string {
	raw, err := w.stacks.SyscallConn()
	if err != nil {
		return ""
	}
	buffer, n := make([]byte, longestDump), 0
	_ = raw.Control(func(fd uintptr) { n, _ = unix.Read(int(fd), buffer) })
	return lines(string(buffer[:max(n, 0)]))
}

// tgkill signals one thread, of this process only.
func tgkill(pid, thread int, number syscall.Signal) error {
	if pid <= 1 || thread <= 0 {
		return errGone
	}
	return unix.Tgkill(pid, thread, number)
}
