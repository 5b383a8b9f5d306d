package speyside

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBellWakesNobodyButItsLoopAndKeepsNoWorkerWaiting(t *testing.T) {
	bell, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bell.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := bell.SetDeadline(time.Time{}); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("Go's own poller watches it, too: a deadline gives %v, want %v", err, os.ErrNoDeadline)
	}
	flags, err := unix.FcntlInt(bell.Fd(), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	if flags&unix.O_NONBLOCK == 0 {
		t.Error("a worker that writes to it may have to wait")
	}
}
