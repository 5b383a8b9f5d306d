//go:build linux

package front

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLoopThatHangsIsSaidSoAndNotAskedForEver(t *testing.T) {
	var bells []int
	for range 2 {
		bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(bell)
		bells = append(bells, bell)
	}
	f, err := New(Options{}, nil, bells)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run() }()
	if !f.Live(context.Background()) {
		t.Error("loops that turn are not live")
	}
	release, hanging := make(chan struct{}), make(chan struct{})
	f.lanes[1].loop.Post(func() {
		close(hanging)
		<-release
	})
	<-hanging
	hurried, over := context.WithTimeout(context.Background(), 5*time.Millisecond)
	if s := f.Snapshot(hurried, nil); len(s.Silent) != 1 || s.Silent[0] != 1 {
		t.Errorf("silent loops are %v", s.Silent)
	}
	over()
	for range 2 * mostAsked {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		if f.Live(ctx) || f.Unready(ctx) != NotReadyLoop {
			t.Fatal("a loop that hangs is live")
		}
		cancel()
	}
	if n := f.lanes[1].asked.Load(); n > mostAsked {
		t.Errorf("%d questions wait for one loop", n)
	}
	close(release)
	for deadline := time.Now().Add(10 * time.Second); !f.Live(context.Background()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a loop that turns again is not live")
		}
	}
	f.Stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
