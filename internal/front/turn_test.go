//go:build linux

package front

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/spool"
)

// endless is a client that sends as fast as it is read.
type endless struct{ reads int }

func (e *endless) Read(p []byte) (int, syscall.Errno) {
	e.reads++
	return len(p), 0
}
func (*endless) Write(p []byte) (int, syscall.Errno)  { return len(p), 0 }
func (*endless) Writev([][]byte) (int, syscall.Errno) { return 0, 0 }
func (*endless) CloseWrite() syscall.Errno            { return 0 }
func (e *endless) Readv(runs [][]byte) (n int, _ syscall.Errno) {
	e.reads++
	for _, run := range runs {
		n += len(run)
	}
	return n, 0
}
func (*endless) SendFile(int, int64, int) (int, syscall.Errno) {
	return 0, unix.ENOTSUP
}

func TestClientThatNeverStopsSendingLeavesTheLoopToOthers(t *testing.T) {
	segment, err := slot.New(slot.Shape{Slots: 64, Ports: 1, Workers: 1, Threads: 1, FrontBlocks: 4, LargeBlocks: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer segment.Close()
	spool, err := spool.New(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(bell)
	f, err := New(Options{}, spool, []int{bell})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := f.NewGeneration(segment, nil)
	f.lanes[0].install(g, g.ports[0])
	for name, phase := range map[string]phase{"a body": phaseBody, "what nobody wants": phaseLinger} {
		client := &endless{}
		c := f.lanes[0].newConn()
		c.transport, c.phase = client, phase
		c.route = &Route{}
		c.head.ContentLength = 1 << 40
		c.body.Reset(&c.head)
		c.wantGather()
		if c.intake, err = c.lane.port.NewBody(-1); err != nil {
			t.Fatal(err)
		}
		returned := make(chan struct{})
		go func() { c.Ready(unix.EPOLLIN); close(returned) }()
		select {
		case <-returned:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the loop does nothing else", name)
		}
		if client.reads == 0 || client.reads > 2*readsPerTurn {
			t.Errorf("%s: %d reads in one turn", name, client.reads)
		}
	}
}
