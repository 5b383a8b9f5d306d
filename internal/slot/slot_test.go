//go:build linux

package slot_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/slot"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

func segment(t *testing.T, shape slot.Shape) *slot.Segment {
	t.Helper()
	s, err := slot.New(shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func small(t *testing.T) *slot.Segment {
	return segment(t, slot.Shape{Slots: 128, Ports: 1, Workers: 2, Threads: 2, FrontBlocks: 3, LargeBlocks: 1, Generation: 7})
}

func join(t *testing.T, s *slot.Segment, number, thread int) *slottest.Worker {
	t.Helper()
	w, err := slottest.Join(int(s.File().Fd()), number, thread, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSegmentCannotShrinkOrGrow(t *testing.T) {
	s := small(t)
	for _, size := range []int64{0, 1 << 30} {
		if err := unix.Ftruncate(int(s.File().Fd()), size); err != unix.EPERM {
			t.Errorf("a worker can make the segment %d bytes: %v", size, err)
		}
	}
}

func TestShapesThatDoNotFitAreRefused(t *testing.T) {
	for _, shape := range []slot.Shape{
		{},
		{Slots: 100, Ports: 1, Workers: 1, Threads: 1, FrontBlocks: 1, LargeBlocks: 1},
		{Slots: 64, Ports: 2, Workers: 1, Threads: 1, FrontBlocks: 1, LargeBlocks: 1},
		{Slots: 4096, Ports: 1, Workers: 1, Threads: 1, FrontBlocks: 1, LargeBlocks: 1},
		{Slots: 64, Ports: 1, Workers: 1 << 16, Threads: 1, FrontBlocks: 1, LargeBlocks: 1},
		{Slots: 64, Ports: 1, Workers: 1, Threads: 0, FrontBlocks: 1, LargeBlocks: 1},
	} {
		if s, err := slot.New(shape); err == nil {
			_ = s.Close()
			t.Errorf("%+v was accepted", shape)
		}
	}
}

func TestLineLongerThanTheWindowKeepsItsOrder(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	for i := range uint32(100) { // the window has 64 entries
		s.Fill(i, 1)
		q.Push(i)
	}
	if q.Len() != 100 || !q.Holds(0) || !q.Holds(99) || q.Holds(100) {
		t.Fatalf("%d in line", q.Len())
	}
	w := join(t, s, 0, 0)
	for i := range uint32(100) {
		got, ok := w.Take()
		if !ok {
			q.Flush()
			got, ok = w.Take()
		}
		if !ok || got != i {
			t.Fatalf("took %d, %v instead of %d", got, ok, i)
		}
	}
}

func TestOneRequestIsClaimedOnce(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	s.Fill(5, 1)
	q.Push(5)
	q.Push(5) // as the scan does
	w := join(t, s, 0, 0)
	claims := 0
	for range 2 {
		if i, ok := w.Take(); ok && w.Claim(i) {
			claims++
		}
	}
	if claims != 1 {
		t.Fatalf("claimed %d times", claims)
	}
}

func TestStateMovesOnlyFromWhatItWas(t *testing.T) {
	s := small(t)
	w := join(t, s, 1, 0)
	old := s.Fill(0, 3)
	if !w.Claim(0) {
		t.Fatal("not claimed")
	}
	if s.Withdraw(0, old) {
		t.Error("a claimed request was withdrawn")
	}
	claimed := s.State(0)
	if claimed.Kind() != wire.StateClaimed || claimed.Worker() != 1 || claimed.Generation() != 3 {
		t.Fatalf("state %x", claimed)
	}
	next, ok := s.Refill(0, claimed)
	if !ok || next.Generation() != 4 || next.Attempts() != 1 || next.Kind() != wire.StateFilled {
		t.Fatalf("refilled as %x, %v", next, ok)
	}
	if w.Move(0, wire.StateClaimed, wire.StateStarted) {
		t.Error("the dead worker started a request that was taken back")
	}
}

func TestSleeperIsRungAndTheOthersAreNot(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	woken := make(chan struct{})
	w := join(t, s, 1, 1)
	go func() {
		defer close(woken)
		for {
			if _, ok := w.Take(); ok {
				return
			}
			w.Wait()
		}
	}()
	s.Fill(0, 1)
	q.Push(0)
	q.Flush()
	<-woken
}

func TestDeadSleeperDoesNotSwallowTheRing(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	sleepWord(t, s, 0, 0) // of a thread that was killed asleep
	s.Fill(0, 1)
	q.Push(0)
	if !q.Pressing() {
		t.Fatal("nobody sleeps")
	}
	q.Flush() // wakes nobody, and ends
	if q.Pressing() {
		t.Fatal("the dead thread's word is still up")
	}
}

// sleepWord puts up the word of a thread without any thread on it.
func sleepWord(t *testing.T, s *slot.Segment, worker, thread int) {
	t.Helper()
	memory, err := unix.Mmap(int(s.File().Fd()), 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	h := s.Layout()
	memory[h.WorkersAt+uint64(worker)*h.WorkerStride+wire.SizeofWorker+4*uint64(thread)] = 1
	if err := unix.Munmap(memory); err != nil {
		t.Fatal(err)
	}
}

func TestBlocksAreChainedAndRunOut(t *testing.T) {
	s := small(t)
	var chain []uint32
	for range 3 {
		var ok bool
		if chain, ok = s.TakeBlock(chain); !ok {
			t.Fatal("no block")
		}
	}
	if _, ok := s.TakeBlock(nil); ok {
		t.Fatal("a fourth block of three")
	}
	s.GiveBlocks(chain)
	if _, ok := s.TakeBlock(nil); !ok {
		t.Fatal("given blocks are not free")
	}
}

func TestPieceOutsideTheWorkersRangeIsRefused(t *testing.T) {
	s := small(t)
	per := s.Layout().WorkerBlocks
	for _, c := range []struct {
		worker        int
		block, length uint32
		fine          bool
	}{
		{0, 0, 1, true}, {0, per - 1, wire.BlockSize, true}, {0, per, 1, false}, {1, per, 1, true}, {1, 0, 1, false},
		{0, 0, wire.BlockSize + 1, false}, {2, 2 * per, 1, false}, {0, 1 << 31, 1, false},
	} {
		if got := s.Piece(c.worker, c.block, c.length); (got != nil) != c.fine {
			t.Errorf("piece %+v: %v", c, got != nil)
		}
	}
}

func TestHostileHeadDoesNotHangTheQueue(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	h := s.Layout()
	memory, err := unix.Mmap(int(s.File().Fd()), 0, int(h.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	for i := range memory[os.Getpagesize():h.PortsAt] {
		memory[os.Getpagesize()+i] = 0xff // window and entries
	}
	for i := range uint32(128) {
		s.Fill(i, 1)
		q.Push(i)
	}
	q.Flush()
	q.Stalled()
	if q.Len() > 128+64 {
		t.Errorf("%d in line", q.Len())
	}
	q.Holds(3)
	_ = unix.Munmap(memory)
}

func TestNobodyIsRungForWhatIsClaimedAlready(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	w := join(t, s, 0, 0)
	s.Fill(0, 1)
	q.Push(0)
	if _, ok := w.Take(); !ok {
		t.Fatal("nothing to take")
	}
	sleepWord(t, s, 0, 0)
	q.Flush()
	s.Fill(1, 1)
	q.Push(1)
	if !q.Pressing() { // the sleeper's word is still up
		t.Fatal("a thread was rung for nothing")
	}
}

func TestClientsWhoComeAndLeaveDoNotPushOthersOutOfTheLine(t *testing.T) {
	s := small(t)
	q := slot.NewQueue(s)
	for i := range uint32(100) { // a full window and some behind it
		q.Push(i)
	}
	for range 1000 { // a request is withdrawn, and its slot filled anew
		q.Push(127)
	}
	if n := q.Len(); n != 101 {
		t.Errorf("%d requests in line instead of 101", n)
	}
	w, taken := join(t, s, 0, 0), map[uint32]bool{}
	for q.Len() > 0 {
		i, _ := w.Take()
		taken[i] = true
		q.Flush()
	}
	if len(taken) != 101 {
		t.Errorf("%d slots came out instead of 101", len(taken))
	}
	if q.Push(127); !q.Holds(127) {
		t.Error("a slot that has left the line cannot come back")
	}
}
