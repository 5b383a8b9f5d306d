package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside"
	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// A Go program cannot fork, so a daemon is this program started anew in a session of its own. What it and all that it starts print goes through
// a pipe, which the caller's process copies to its terminal until the daemon serves, or has ended; then the caller returns. The
// daemon reads the pipe from then on, and forgets what comes: processes that were started before hold its other end.

// detachedEnv names the two descriptors that a daemon is given: the socket on which it says that it serves, and the pipe's end for reading.
const detachedEnv = "SPEYSIDE_DETACHED"

// detached is the daemon's side.
type detached struct{ caller, output *os.File }

// isDetached returns the daemon's side if this process is a daemon. Neither its environment nor what it starts knows of that.
func isDetached() *detached {
	one, other, _ := strings.Cut(os.Getenv(detachedEnv), ",")
	caller, err := strconv.Atoi(one)
	output, err2 := strconv.Atoi(other)
	if err != nil || err2 != nil {
		return nil
	}
	_ = os.Unsetenv(detachedEnv)
	unix.Umask(0o22) // as gunicorn's daemons have it
	for _, fd := range []int{caller, output} {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true) // so that reading takes no thread
	}
	return &detached{os.NewFile(uintptr(caller), "caller"), os.NewFile(uintptr(output), "output")}
}

// serving lets the caller go. What is printed from now on goes nowhere.
func (d *detached) serving() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	for _, fd := range []int{1, 2} {
		if err == nil {
			err = unix.Dup3(int(null.Fd()), fd, 0)
		}
	}
	if err == nil {
		_ = null.Close()
	}
	_, _ = d.caller.Write([]byte{1})
	go func() {
		_, _ = io.Copy(io.Discard, d.caller) // until the caller has shown what there is
		_ = d.caller.Close()
		_, _ = io.Copy(io.Discard, d.output)
	}()
}

// foreground says why the server cannot leave its caller, or "".
func foreground(env func(string) string) string {
	switch {
	case env("NOTIFY_SOCKET") != "":
		return "the service manager waits for this process (NOTIFY_SOCKET), and keeps it in the background"
	case env("LISTEN_PID") == strconv.Itoa(os.Getpid()):
		return "the service manager has opened sockets for this process (LISTEN_FDS), and keeps it in the background"
	case os.Getpid() == 1:
		return "the end of process 1 is the end of its container"
	}
	return ""
}

// exited is the end of a daemon that never served: it has said why itself.
type exited int

func (e exited) Error() string { return fmt.Sprintf("the daemon ended with exit code %d", int(e)) }

// detach starts the program anew in the background, and returns when that serves or has ended.
func detach(s *settings.Settings) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return notDetached(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "daemon"), os.NewFile(uintptr(pair[1]), "caller")
	defer ours.Close()
	reading, writing, err := os.Pipe()
	if err != nil {
		return notDetached(err)
	}
	command, err := daemon(s, theirs, reading, writing)
	if err == nil {
		err = command.Start()
	}
	_, _ = theirs.Close(), writing.Close()
	if err != nil {
		return notDetached(err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for sig := range signals {
			_ = command.Process.Signal(sig)
		}
	}()
	return await(command, ours, reading)
}

func notDetached(err error) error {
	return fault.New(fault.NotDetached, "starting the daemon: %w", err)
}

// daemon is the command. Sockets that were inherited keep their numbers.
func daemon(s *settings.Settings, caller, reading, writing *os.File) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(program, os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Stdout, command.Stderr = writing, writing
	for _, address := range slices.Concat(s.Bind, s.AdminBind, s.Stats) {
		for address.FD > 2+len(command.ExtraFiles) {
			command.ExtraFiles = append(command.ExtraFiles, nil)
		}
		if address.FD != 0 {
			command.ExtraFiles[address.FD-3] = os.NewFile(uintptr(address.FD), "listener")
		}
	}
	first := 3 + len(command.ExtraFiles)
	command.ExtraFiles = append(command.ExtraFiles, caller, reading)
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d,%d", detachedEnv, first, first+1))
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return command, nil
}

// await shows what the daemon prints until it serves or has ended.
func await(command *exec.Cmd, daemon, output *os.File) error {
	fds := []unix.PollFd{{Fd: int32(output.Fd()), Events: unix.POLLIN}, {Fd: int32(daemon.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return notDetached(err)
		}
		if fds[0].Revents != 0 && !show(output) {
			fds[0].Fd = -1 // nobody can print any more
		}
		if fds[1].Revents == 0 {
			continue
		}
		said, _ := daemon.Read(make([]byte, 1))
		if said == 0 {
			_ = command.Wait()
		}
		for fds[0].Fd >= 0 {
			if n, err := unix.Poll(fds[:1], 0); n == 0 && err == nil || !show(output) {
				break
			}
		}
		switch state := command.ProcessState; {
		case said > 0:
			return nil
		case state.ExitCode() < 0:
			return notDetached(errors.New(state.String()))
		default:
			return exited(state.ExitCode())
		}
	}
}

// show copies what has been printed; false: there will be no more.
func show(output *os.File) bool {
	buffer := make([]byte, 64<<10)
	n, err := output.Read(buffer)
	_, _ = os.Stderr.Write(buffer[:n])
	return err == nil
}

// leave starts the daemon if one is wanted and this process is not it. done: this process has no more to do.
func leave(c *config.Config, env func(string) string, stderr io.Writer) (done bool, err error) {
	s := c.Settings
	if !s.Daemon || speyside.TakingOver() {
		return false, nil
	}
	if why := foreground(env); why != "" {
		fmt.Fprintf(stderr, "speyside: warning: setting daemon is on (from %s), and the server stays in the foreground: %s\n", s.Source("daemon"), why)
		return false, nil
	}
	if err := c.Close(); err != nil { // the daemon reads it itself
		return true, err
	}
	return true, detach(s)
}
