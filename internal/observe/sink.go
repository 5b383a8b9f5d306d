//go:build linux

package observe

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// SinkBuffer is the size of a sink's buffers.
	SinkBuffer = 64 << 10
	// sinkBuffers is how many of them a sink has: what nobody has written yet is never more.
	sinkBuffers = 32
	// pipeAtOnce is how much is written to a pipe at once: the kernel mixes it with nothing that others write.
	pipeAtOnce = 4096
	// tellEvery is how often at most the log says that lines are lost.
	tellEvery = 10 * time.Second
)

// Sink is a file that others hand whole buffers of lines to. A goroutine of its own writes them, so nobody waits for a disk or for who
// reads a pipe: when all buffers wait to be written, there is none to take, and the lines are lost, counted, and the log says so.
type Sink struct {
	name string // what it is, in the log
	path string // "-": standard output; empty: no file
	file *os.File
	most int  // bytes that are written at once; 0: any number
	torn bool // the last line was not written to its end
	log  *slog.Logger
	also func(line []byte) // is given each line as well; nil: there is nobody

	mu     sync.Mutex
	free   [][]byte // used last first: most of the time a few do
	full   chan batch
	reopen chan struct{}
	uneasy chan struct{}
	ended  chan struct{} // closed when everything is written
	over   chan struct{} // closed when nobody waits for that any more
	told   chan struct{} // closed when the log knows of all that is lost

	lost   atomic.Uint64 // lines since the start
	reason atomic.Pointer[string]
}

// batch is a buffer with its lines.
type batch struct {
	bytes []byte
	lines int
}

// OpenSink opens the file at path, or standard output for "-". A pipe that nobody reads is kept open until somebody does.
func OpenSink(name, path string, log *slog.Logger) (*Sink, error) {
	return OpenSinkBeside(name, path, log, nil)
}

// OpenSinkBeside opens a sink like OpenSink, whose goroutine gives each line to another one, too. With an empty path there is no file.
func OpenSinkBeside(name, path string, log *slog.Logger, also func(line []byte)) (*Sink, error) {
	s := &Sink{name: name, path: path, log: log, also: also, free: make([][]byte, sinkBuffers), full: make(chan batch, sinkBuffers),
		reopen: make(chan struct{}, 1), uneasy: make(chan struct{}, 1), ended: make(chan struct{}), over: make(chan struct{}), told: make(chan struct{})}
	if err := s.open(); err != nil {
		return nil, err
	}
	go s.run()
	go s.tell()
	return s, nil
}

// open puts the file that is at path now in the place of the one before.
func (s *Sink) open() error {
	if s.path == "" {
		return nil
	}
	file := os.Stdout
	if s.path != "-" {
		var err error
		if file, err = OpenLog(s.path); err != nil {
			return err
		}
	}
	if s.file != nil && s.file != os.Stdout {
		_ = s.file.Close()
	}
	s.file, s.most = file, 0
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		s.most = pipeAtOnce
	}
	return nil
}

// OpenLog opens a file for lines at its end, and makes it if need be. A pipe is opened for reading, too: then it does not matter
// whether somebody reads it now. The standard streams under their names in /dev are those that this process has, which
// nobody could open anew when they are sockets or another user's.
func OpenLog(path string) (*os.File, error) {
	if stream, is := map[string]uintptr{"/dev/stdout": 1, "/dev/stderr": 2}[path]; is {
		copied, err := unix.FcntlInt(stream, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return os.NewFile(uintptr(copied), path), nil
	}
	flags := os.O_WRONLY
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		flags = os.O_RDWR | unix.O_NONBLOCK
	}
	return os.OpenFile(path, flags|os.O_APPEND|os.O_CREATE|unix.O_NOCTTY, 0o666) // umask takes its part
}

// Take returns an empty buffer; nil when all wait to be written. It comes back by Write.
func (s *Sink) Take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return nil
	}
	buffer := s.free[n-1]
	s.free = s.free[:n-1]
	if buffer == nil {
		buffer = make([]byte, 0, SinkBuffer)
	}
	return buffer[:0]
}

// give takes a buffer back. One that had to grow, for a line that was longer than any, is not kept.
func (s *Sink) give(buffer []byte) {
	if cap(buffer) > SinkBuffer {
		buffer = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, buffer)
}

// Write hands over a buffer with whole lines; it does not wait.
func (s *Sink) Write(buffer []byte, lines int) { s.full <- batch{buffer, lines} }

// Lose counts lines for which there was no buffer.
func (s *Sink) Lose(lines int) { s.lose(lines, "they come faster than they are written") }

func (s *Sink) lose(lines int, why string) {
	if lines == 0 {
		return
	}
	if s.reason.Load() == nil { // else it is known, and nothing is allocated
		told := why
		s.reason.CompareAndSwap(nil, &told)
	}
	s.lost.Add(uint64(lines))
	select {
	case s.uneasy <- struct{}{}:
	default:
	}
}

// Lost is how many lines were lost since the start.
func (s *Sink) Lost() uint64 { return s.lost.Load() }

// Reopen has what follows written to the file that is at the path then: the one before has been moved away. It does not wait. When there
// can be none, everything stays with the one before.
func (s *Sink) Reopen() {
	select {
	case s.reopen <- struct{}{}:
	default: // it will be
	}
}

// Close writes what was handed over, for as long as patience, and ends. Nobody may use the sink any more.
func (s *Sink) Close(patience time.Duration) {
	close(s.full)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-s.ended:
	case <-late.C:
		left := 0
		for len(s.full) > 0 {
			one, ok := <-s.full
			if ok {
				left += one.lines
			}
		}
		s.lose(left, "the server has ended before they were written")
		_ = s.file.SetWriteDeadline(time.Now())
	}
	close(s.over)
	<-s.told
}

// run writes.
func (s *Sink) run() {
	defer close(s.ended)
	for {
		select {
		case one, more := <-s.full:
			if !more {
				return
			}
			s.write(one)
			s.give(one.bytes)
		case <-s.reopen:
			if s.path != "" {
				s.reopened()
			}
		}
	}
}

func (s *Sink) reopened() {
	if err := s.open(); err != nil {
		s.log.Error(s.name+" not reopened", "error", err, "effect", "lines go to the file that was open before")
		return
	}
	s.torn = false
	s.log.Info(s.name+" reopened", "path", s.path)
}

// write writes the lines of a buffer. What does not get through is lost as whole lines.
func (s *Sink) write(one batch) {
	left := one.bytes
	if s.also != nil {
		for line := range bytes.Lines(left) {
			s.also(bytes.TrimSuffix(line, newline))
		}
	}
	if s.path == "" {
		return
	}
	if s.torn {
		if _, err := s.file.Write([]byte("\n")); err != nil {
			s.lose(one.lines, err.Error())
			return
		}
		s.torn = false
	}
	for len(left) > 0 {
		n, err := s.file.Write(left[:s.atOnce(left)])
		begun := n > 0 && left[n-1] != '\n'
		left = left[n:]
		if err != nil {
			s.torn = begun
			s.lose(bytes.Count(left, newline), reasonOf(err))
			return
		}
	}
}

// atOnce is how many bytes to write now: whole lines, of a pipe as many as stay together.
func (s *Sink) atOnce(left []byte) int {
	if s.most == 0 || len(left) <= s.most {
		return len(left)
	}
	if end := bytes.LastIndexByte(left[:s.most], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(left, '\n'); end >= 0 {
		return end + 1
	}
	return len(left)
}

var newline = []byte("\n")

// reasonOf is an error without the path, which may be secret to who reads the log.
func reasonOf(err error) string {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return err.Error()
}

// tell says in the log that lines are lost, at once and then from time to time.
func (s *Sink) tell() {
	defer close(s.told)
	told := uint64(0)
	for more := true; more; {
		select {
		case <-s.uneasy:
		case <-s.over:
			more = false
		}
		if lost := s.lost.Load(); lost > told {
			why := "more were lost meanwhile"
			if reason := s.reason.Swap(nil); reason != nil {
				why = *reason
			}
			s.log.Error(s.name+" lines lost", "lines", lost-told, "path", s.path, "why", why)
			told = lost
		}
		if more {
			s.rest()
		}
	}
}

// rest waits, unless the sink ends.
func (s *Sink) rest() {
	late := time.NewTimer(tellEvery)
	defer late.Stop()
	select {
	case <-s.over:
	case <-late.C:
	}
}
