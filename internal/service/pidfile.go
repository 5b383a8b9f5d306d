//go:build linux

package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/observe"
)

// PidFile is a file that has the pid of this process.
type PidFile struct{ path string }

// WritePid writes the file, at once or not at all. One with the pid of another process that lives is left alone: that is the error,
// unless the process is the one that this one takes over from.
func WritePid(path string, predecessor int) (*PidFile, error) {
	pid := os.Getpid()
	if other := holder(path); other != 0 && other != pid && other != predecessor {
		return nil, fault.New(fault.PidFileHeld, "process %d runs, and %s has its pid", other, path)
	}
	if err := replace(path, strconv.Itoa(pid)+"\n"); err != nil {
		return nil, fault.New(fault.PidFileNotWritten, "writing the pid to %s: %w", path, err)
	}
	return &PidFile{path}, nil
}

// holder is the process that wrote the file, if it still runs. One that is younger than the file has only got its number.
func holder(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	pid, err := pidIn(path)
	if err != nil || pid <= 0 || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return 0
	}
	const clocks = time.Second // start times are rounded
	if p, err := observe.LookAt(pid); err == nil && time.Now().Add(-p.Age).After(info.ModTime().Add(clocks)) {
		return 0
	}
	return pid
}

func pidIn(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// replace puts a file in the place of another: who reads it sees the one or the other, whole. Where the file is ours and the directory is not,
// because root has made it for us, it is written over.
func replace(path, text string) error {
	next := fmt.Sprintf("%s.%d", path, os.Getpid())
	_ = os.Remove(next) // of a process that was killed; and a link that somebody has put there leads nowhere any more
	err := write(next, text, os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrPermission) && overwrite(path, text) == nil {
		return nil
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next)
	}
	return err
}

// overwrite writes to a file that exists.
func overwrite(path, text string) error { return write(path, text, os.O_TRUNC) }

// write writes to a file, and never to what a link leads to.
func write(path, text string, flags int) error {
	file, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW|flags, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// Keep writes the file again if it does not have the pid of this process any more.
func (p *PidFile) Keep() error {
	if pid, err := pidIn(p.path); err == nil && pid == os.Getpid() {
		return nil
	}
	return replace(p.path, strconv.Itoa(os.Getpid())+"\n")
}

// Remove removes the file, unless another process has written it meanwhile. Where that is not allowed it is emptied, which says the same.
func (p *PidFile) Remove() {
	if pid, err := pidIn(p.path); err != nil || pid != os.Getpid() {
		return
	}
	if err := os.Remove(p.path); errors.Is(err, fs.ErrPermission) {
		_ = overwrite(p.path, "")
	}
}
