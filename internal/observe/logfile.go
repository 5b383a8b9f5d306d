//go:build linux

package observe

import (
	"os"
	"sync"
	"time"
)

const (
	// pipePatience is how long a record may wait for the reader of a pipe.
	pipePatience = 50 * time.Millisecond
	// pipeMuted is for how long nothing is written to a pipe that has not taken a record: who logs must not wait each time.
	pipeMuted = time.Second
)

// LogFile is the file that a log goes to. It may be reopened while others write to it.
type LogFile struct {
	path string

	mu    sync.Mutex
	file  *os.File
	pipe  bool
	muted time.Time // nothing is written before
}

// OpenLogFile opens the file at path for lines at its end.
func OpenLogFile(path string) (*LogFile, error) {
	f := &LogFile{path: path}
	if err := f.Reopen(); err != nil {
		return nil, err
	}
	return f, nil
}

// Path is where it was opened.
func (f *LogFile) Path() string { return f.path }

// Write implements [io.Writer]. What a pipe without a reader does not take is lost.
func (f *LogFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pipe {
		now := time.Now()
		if now.Before(f.muted) {
			return 0, os.ErrDeadlineExceeded
		}
		_ = f.file.SetWriteDeadline(now.Add(pipePatience))
	}
	n, err := f.file.Write(p)
	if err != nil && f.pipe {
		f.muted = time.Now().Add(pipeMuted)
	}
	return n, err
}

// Reopen has what follows written to the file that is at the path now. When that cannot be, nothing changes.
func (f *LogFile) Reopen() error {
	file, err := OpenLog(f.path)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		_ = f.file.Close()
	}
	f.file, f.pipe, f.muted = file, err == nil && info.Mode()&os.ModeNamedPipe != 0, time.Time{}
	return nil
}

// Close closes the file.
func (f *LogFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
