//go:build linux

package dispatch

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/wire"
)

// handoversAtOnce is more than the socket holds.
const handoversAtOnce = 1024

// File is a part of a file that a reply ends with. Whoever has it closes the descriptor.
type File struct {
	Descriptor int
	At, Left   int64
}

// Close gives the descriptor back.
func (f *File) Close() { _ = unix.Close(f.Descriptor) }

// FileLen is how many bytes of a file follow the pieces.
func (e *Exchange) FileLen() int64 {
	if e.file == nil {
		return 0
	}
	return e.file.Left
}

// TakeFile hands over the file that follows the pieces, if there is one. It is the caller's from then on.
func (e *Exchange) TakeFile() *File {
	f := e.file
	e.file = nil
	return f
}

func (e *Exchange) dropFile() {
	if e.file != nil {
		e.file.Close()
		e.file = nil
	}
}

// fileCame looks for the file that a complete reply announces. Its worker has passed it before it said so.
func (e *Exchange) fileCame() bool {
	if e.file == nil {
		e.port.takeHandovers()
	}
	return e.file != nil && e.produced > 0 && e.reply.HasLength
}

// wrong is what a reply that cannot be sent is told as.
func (e *Exchange) wrong() *fault.Fault {
	if e.fileLost {
		return fault.DescriptorsUsedUp
	}
	return fault.WorkerMisspoke
}

// takeHandovers receives the descriptors that workers have passed. All that comes is theirs to say: a message counts only for
// a slot that is with a worker in the generation that it names, once, and only with a regular file.
func (p *Port) takeHandovers() {
	var message [wire.SizeofHandover + 1]byte
	control := make([]byte, unix.CmsgSpace(4))
	for range handoversAtOnce {
		n, rights, flags, _, err := unix.Recvmsg(p.segment.Inlet(p.index), message[:], control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		p.handedOver(message[:n], descriptors(control[:rights]), flags&unix.MSG_CTRUNC != 0)
	}
}

// descriptors are those that came with a message. The kernel has closed what did not fit.
func descriptors(control []byte) []int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var all []int
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			all = append(all, fds...)
		}
	}
	return all
}

// handedOver takes one message; truncated says that descriptors of it could not be received.
func (p *Port) handedOver(message []byte, fds []int, truncated bool) {
	e, file := p.handover(message)
	switch {
	case e != nil && len(fds) == 1 && !truncated && isRegular(fds[0]):
		file.Descriptor = fds[0]
		e.file = file
		return
	case e != nil && len(fds) == 0 && truncated: // the limit on descriptors is reached
		e.fileLost = true
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// handover reads a message: whose reply the file is part of, and which part. The exchange is nil for a message that cannot be.
func (p *Port) handover(message []byte) (*Exchange, *File) {
	if len(message) != wire.SizeofHandover {
		return nil, nil
	}
	number, generation := binary.NativeEndian.Uint32(message), binary.NativeEndian.Uint32(message[4:])
	at, length := binary.NativeEndian.Uint64(message[8:]), binary.NativeEndian.Uint64(message[16:])
	first := uint32(p.index * len(p.exchanges))
	if number < first || number-first >= uint32(len(p.exchanges)) {
		return nil, nil
	}
	if length == 0 || at > math.MaxInt64 || length > math.MaxInt64-at {
		return nil, nil
	}
	e, state := &p.exchanges[number-first], p.segment.State(number)
	ours := e.active && e.file == nil && generation == e.state.Generation() && state.Generation() == generation
	if kind := state.Kind(); !ours || kind != wire.StateStarted && kind != wire.StateDone {
		return nil, nil
	}
	return e, &File{At: int64(at), Left: int64(length)}
}

// isRegular asks for nothing but the kind of the file, which no file system has to fetch from elsewhere.
func isRegular(fd int) bool {
	var status unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &status)
	return err == nil && status.Mode&unix.S_IFMT == unix.S_IFREG
}
