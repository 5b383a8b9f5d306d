package arbiter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errGone is returned for a process that no longer exists or was never ours.
var errGone = errors.New("the process is gone")

// process is a zygote or a worker, held by a pidfd: its number cannot be given to another process unnoticed.
type process struct {
	pid   int
	pidfd *os.File
	// foreign: it is none of ours, and is never sent a signal.
	foreign bool

	status int   // as waitpid gives it, or unknownStatus
	peak   int64 // the most bytes it had in RAM
}

const unknownStatus = -1

// becomeSubreaper makes this process the parent of workers whose zygote has died.
func becomeSubreaper() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// start starts the command and watches it. Nothing else may wait for it.
func start(command *exec.Cmd) (*process, error) {
	if err := command.Start(); err != nil {
		return nil, err
	}
	pid := command.Process.Pid
	_ = command.Process.Release()
	return open(pid)
}

// watch returns the process with this pid if it is a child of parent, or has been and is now ours.
func watch(pid, parent int) (*process, error) {
	if pid <= 1 {
		return nil, errGone
	}
	p, err := open(pid)
	if err != nil {
		return nil, errGone
	}
	// Read after open: as long as the pidfd has not fired, the number is this process's.
	is, err := parentOf(pid)
	if err != nil || is != parent && is != os.Getpid() {
		p.close()
		return nil, errGone
	}
	return p, nil
}

func open(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watching process %d: %w", pid, err)
	}
	return &process{pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd"), status: unknownStatus}, nil
}

// wait returns when the process has died. It occupies a goroutine, no thread.
func (p *process) wait() {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// signal sends a signal to this process and to no other.
func (p *process) signal(number syscall.Signal) {
	if p.foreign {
		return
	}
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), number, nil, 0) })
}

// reap returns the status of a dead process if it is our child, which it may become when its parent dies; else
// unknownStatus. The second result is the most bytes that it had in RAM.
func (p *process) reap() (status int, peak int64) {
	if p.status == unknownStatus {
		var wait unix.WaitStatus
		var usage unix.Rusage
		if pid, err := unix.Wait4(p.pid, &wait, unix.WNOHANG, &usage); err == nil && pid == p.pid {
			p.status, p.peak = int(wait), int64(usage.Maxrss)<<10
		}
	}
	return p.status, p.peak
}

func (p *process) close() { _ = p.pidfd.Close() }

// parentOf returns the parent of a process.
func parentOf(pid int) (int, error) {
	fields, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(fields[1]))
}

// stopped reports that a signal or a debugger has stopped the process.
func stopped(pid int) bool {
	fields, err := statOf(pid)
	return err == nil && strings.ContainsAny(string(fields[0]), "Tt")
}

// statOf reads /proc/PID/stat from the third field on, the state: the second is the name in parentheses.
func statOf(pid int) ([][]byte, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return nil, fmt.Errorf("reading the state of process %d: malformed", pid)
	}
	return fields, nil
}

// zombie returns the pid of a dead child that nobody has waited for, or 0.
func zombie() int {
	var info struct {
		header [siginfoPid]byte
		pid    int32
		rest   [128]byte
	}
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		return 0
	}
	return int(info.pid)
}

// siginfoPid is the offset of si_pid: three ints, and on 64-bit systems four bytes of padding.
const siginfoPid = 8 + unsafe.Sizeof(uintptr(0))

// reapStray takes the status of a child that nobody else waits for.
func reapStray(pid int) {
	_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
}

// describe returns how a process ended, as fields of a log record.
func describe(status int) []any {
	wait := unix.WaitStatus(status)
	switch {
	case status == unknownStatus:
		return []any{"status", "unknown"}
	case wait.Signaled():
		return []any{"signal", unix.SignalName(wait.Signal())}
	}
	return []any{"status", wait.ExitStatus()}
}

// exitStatus returns the status that the process exited with, or -1 when it did not exit by itself.
func exitStatus(status int) int {
	if status == unknownStatus {
		return -1
	}
	return unix.WaitStatus(status).ExitStatus()
}
