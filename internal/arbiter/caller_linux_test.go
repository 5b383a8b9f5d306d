package arbiter

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/fault"
)

func TestForeignProcessIsNeverSignalled(t *testing.T) {
	command := exec.Command("cat")
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(command)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.foreign = true
	p.signal(syscall.SIGKILL)
	(&worker{process: p, pid: p.pid}).dump(p.pid)
	_ = stdin.Close() // the end that it wants itself
	p.wait()
	if status, _ := p.reap(); exitStatus(status) != 0 {
		t.Errorf("it ended with %v", describe(status))
	}
}

func TestFrontServesNobodyButItsParent(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	file := os.NewFile(uintptr(pair[0]), "control") // of a process that is this one, and not its parent
	defer file.Close()
	a := New(Options{Log: slog.New(slog.DiscardHandler), Caller: &Caller{Control: file}})
	a.startZygote()
	var f *fault.Error
	if !a.done || !errors.As(a.result, &f) || f.Fault != fault.CallerGone {
		t.Errorf("done %v, %v", a.done, a.result)
	}
}
