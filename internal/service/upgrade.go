//go:build linux

package service

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/listen"
)

// An upgrade starts the program anew, beside the server that runs. The new process, the successor, inherits the listening sockets and one end
// of a socket pair. It says "serving" on it once it accepts connections, and the server before it answers "yours" when it has told
// whoever must know. Until then either may give up: it closes its end.
const (
	serving = "serving\n"
	yours   = "yours\n"
	// upgradeEnv names what a successor inherits.
	upgradeEnv = "SPEYSIDE_UPGRADE"
	// endGrace is how long a successor that was given up may take to end.
	endGrace = 5 * time.Second
	// yoursPatience is how long a successor that serves waits for the last word of the server before it.
	yoursPatience = 5 * time.Second
)

// Socket is a listening socket that is handed over.
type Socket struct {
	Address listen.Address // as it was asked for
	FD      int
	Removes bool // whoever closes it last removes its path
}

// inheritance is what the environment tells a successor.
type inheritance struct {
	Pid     int
	Control int
	Sockets []Socket
}

// Successor is the process that is to take over.
type Successor struct {
	Pid     int
	control net.Conn
	lines   *bufio.Reader
	ended   chan struct{}
	state   *os.ProcessState // once it has ended
}

// StartSuccessor runs the program with the arguments of this process, in dir.
func StartSuccessor(program, dir string, sockets []Socket) (*Successor, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "successor"), os.NewFile(uintptr(pair[1]), "predecessor")
	defer theirs.Close()
	defer ours.Close()
	control, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	command, err := successor(program, dir, theirs, sockets)
	if err == nil {
		err = command.Start()
	}
	if command != nil {
		for _, file := range command.ExtraFiles[1:] {
			_ = file.Close()
		}
	}
	if err != nil {
		_ = control.Close()
		return nil, err
	}
	s := &Successor{Pid: command.Process.Pid, control: control, lines: bufio.NewReader(control), ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		s.state = command.ProcessState
		close(s.ended)
	}()
	return s, nil
}

// successor is the command, with copies of the sockets.
func successor(program, dir string, control *os.File, sockets []Socket) (*exec.Cmd, error) {
	const first = 3
	command := exec.Command(program, os.Args[1:]...)
	command.Args[0], command.Dir = os.Args[0], dir
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.ExtraFiles = []*os.File{control}
	will := inheritance{Pid: os.Getpid(), Control: first}
	for _, s := range sockets {
		fd, err := unix.FcntlInt(uintptr(s.FD), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return command, err
		}
		s.FD = first + len(command.ExtraFiles)
		command.ExtraFiles = append(command.ExtraFiles, os.NewFile(uintptr(fd), "listener"))
		will.Sockets = append(will.Sockets, s)
	}
	text, err := json.Marshal(will)
	if err != nil {
		return command, err
	}
	// The watchdog is the manager's for whoever is the main process.
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "WATCHDOG_PID=") || strings.HasPrefix(variable, "PWD=")
	})
	command.Env = append(env, "PWD="+dir, upgradeEnv+"="+string(text))
	return command, nil
}

// Await returns when the successor serves, or the reason why it never will.
func (s *Successor) Await() error {
	if line, _ := s.lines.ReadString('\n'); line == serving {
		return nil
	}
	select {
	case <-s.ended:
	case <-time.After(endGrace):
		s.GiveUp()
	}
	return fmt.Errorf("process %d ended before it served: %s", s.Pid, s.state)
}

// Bless tells the successor that it has taken over.
func (s *Successor) Bless() {
	_, _ = s.control.Write([]byte(yours))
	_ = s.control.Close()
}

// GiveUp ends the successor, and returns when it has ended. What it has accepted it answers.
func (s *Successor) GiveUp() {
	_ = s.control.Close()
	_ = syscall.Kill(s.Pid, syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(endGrace):
		_ = syscall.Kill(s.Pid, syscall.SIGKILL)
		<-s.ended
	}
}

// Predecessor is the server that this process is to take over from.
type Predecessor struct {
	Pid     int
	Sockets []Socket
	control net.Conn
	blessed chan struct{} // closed when it has said its last word, or has ended
}

// TakingOver reports that FindPredecessor will find one.
func TakingOver() bool {
	_, upgrading := os.LookupEnv(upgradeEnv)
	return upgrading
}

// FindPredecessor returns the server that has started this process to take over from it, or nil. The environment does not speak
// of it afterwards.
func FindPredecessor() (*Predecessor, error) {
	text, upgrading := os.LookupEnv(upgradeEnv)
	if !upgrading {
		return nil, nil
	}
	_ = os.Unsetenv(upgradeEnv)
	var will inheritance
	if err := json.Unmarshal([]byte(text), &will); err != nil {
		return nil, fmt.Errorf("reading %s: %w", upgradeEnv, err)
	}
	if will.Pid != os.Getppid() {
		return nil, fmt.Errorf("%s is of process %d, which has not started this one", upgradeEnv, will.Pid)
	}
	file := os.NewFile(uintptr(will.Control), "predecessor")
	defer file.Close()
	control, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d of %s: %w", will.Control, upgradeEnv, err)
	}
	for _, s := range will.Sockets {
		unix.CloseOnExec(s.FD)
	}
	return &Predecessor{Pid: will.Pid, Sockets: will.Sockets, control: control, blessed: make(chan struct{})}, nil
}

// Watch returns when the predecessor has said its last word, which it does once this process serves, or has given up.
func (p *Predecessor) Watch() (gaveUp bool) {
	defer close(p.blessed)
	line, _ := bufio.NewReader(p.control).ReadString('\n')
	return line != yours
}

// Serving says that this process accepts connections, and returns when the predecessor knows and has let go. The error says that it has given up.
func (p *Predecessor) Serving() error {
	if _, err := p.control.Write([]byte(serving)); err != nil {
		return errors.New("the server that was to be replaced has ended or given up")
	}
	select {
	case <-p.blessed:
	case <-time.After(yoursPatience):
	}
	return nil
}

// Close closes the sockets that nobody has taken: the settings name other addresses.
func (p *Predecessor) Close() {
	for _, s := range p.Sockets {
		_ = unix.Close(s.FD)
	}
	p.Sockets = nil
}

// Socket takes the socket of an address out of those that are there, or returns nil.
func (p *Predecessor) Socket(address listen.Address) (*listen.Listener, error) {
	i := slices.IndexFunc(p.Sockets, func(s Socket) bool { return s.Address == address })
	if i < 0 {
		return nil, nil
	}
	s := p.Sockets[i]
	p.Sockets = slices.Delete(p.Sockets, i, i+1)
	l, err := listen.Adopt(s.FD)
	if err == nil && s.Removes {
		l.Own()
	}
	return l, err
}
