//go:build linux

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Transport turns a descriptor's readiness into bytes. Its calls never block: EAGAIN says that it would, and the next
// event on the descriptor says when to go on.
type Transport interface {
	// Read reads into p; 0 bytes without an error is the end of the stream.
	Read(p []byte) (int, syscall.Errno)
	// Readv reads into the runs of bytes one after the other, 8 at most.
	Readv(runs [][]byte) (int, syscall.Errno)
	// Write writes p as far as there is room.
	Write(p []byte) (int, syscall.Errno)
	// Writev writes the runs of bytes one after the other as far as there is room.
	Writev(runs [][]byte) (int, syscall.Errno)
	// SendFile sends up to n bytes of a file from offset at; 0 bytes without an error is the end of the file. Reading may wait for
	// a disk, so unlike the others it is called beside the loop, and nothing else is sent meanwhile. ENOTSUP says that the
	// transport cannot: the bytes are read and written instead.
	SendFile(file int, at int64, n int) (int, syscall.Errno)
	// CloseWrite ends our side of the stream; the peer may still send.
	CloseWrite() syscall.Errno
}

// Plain is a socket without any layer on it.
type Plain struct{ FD int }

// maxRuns bounds one writev; what is left goes with the next.
const maxRuns = 64

// Read implements [Transport].
func (t *Plain) Read(p []byte) (int, syscall.Errno) {
	return retry(unix.SYS_READ, t.FD, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// Readv implements [Transport].
func (t *Plain) Readv(runs [][]byte) (int, syscall.Errno) {
	var vector [8]unix.Iovec
	n := 0
	for ; n < min(len(runs), len(vector)); n++ {
		vector[n].Base = unsafe.SliceData(runs[n])
		vector[n].SetLen(len(runs[n]))
	}
	return retry(unix.SYS_READV, t.FD, unsafe.Pointer(&vector[0]), n)
}

// Write implements [Transport].
func (t *Plain) Write(p []byte) (int, syscall.Errno) {
	return retry(unix.SYS_SENDTO, t.FD, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// Writev implements [Transport].
func (t *Plain) Writev(runs [][]byte) (int, syscall.Errno) {
	var vector [maxRuns]unix.Iovec
	n := 0
	for _, run := range runs {
		if len(run) == 0 {
			continue
		}
		if n == maxRuns {
			break
		}
		vector[n].Base = unsafe.SliceData(run)
		vector[n].SetLen(len(run))
		n++
	}
	message := unix.Msghdr{Iov: &vector[0]}
	message.SetIovlen(n)
	for {
		sent, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(t.FD), uintptr(unsafe.Pointer(&message)),
			unix.MSG_NOSIGNAL)
		if errno == unix.EINTR {
			continue
		}
		return count(sent, errno)
	}
}

// SendFile implements [Transport].
func (t *Plain) SendFile(file int, at int64, n int) (int, syscall.Errno) {
	for {
		sent, _, errno := syscall.Syscall6(unix.SYS_SENDFILE, uintptr(t.FD), uintptr(file), uintptr(unsafe.Pointer(&at)), uintptr(n), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		return count(sent, errno)
	}
}

// CloseWrite implements [Transport].
func (t *Plain) CloseWrite() syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(t.FD), unix.SHUT_WR, 0)
	return errno
}

func retry(call uintptr, fd int, p unsafe.Pointer, n int) (int, syscall.Errno) {
	for {
		// MSG_NOSIGNAL is the fourth argument of sendto; read has only three.
		done, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(p), uintptr(n), unix.MSG_NOSIGNAL, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		return count(done, errno)
	}
}

func count(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
