//go:build linux

package front_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

// snapshot waits for a state of the loops.
func (w *world) snapshot(want string, wanted func(front.Snapshot, *front.Line) bool) *front.Line {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s := w.front.Snapshot(context.Background(), []*front.Generation{w.generation})
		line := s.Lines[w.generation]
		if wanted(s, line) {
			return line
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s was not seen: %+v %+v", want, s.Values.ByName(), line)
		}
	}
}

func TestSnapshotTellsWhoHasWhichRequestAndHowFarItIs(t *testing.T) {
	w := start(t, 2, 2)
	clients := make([]net.Conn, 6)
	for i := range clients {
		clients[i] = w.dial()
		fmt.Fprintf(clients[i], "PUT /%d?secret HTTP/1.1\r\nHost: a\r\n\r\n", i)
		w.snapshot("a request in line", func(s front.Snapshot, _ *front.Line) bool {
			return s.Values[observe.RequestsQueued] == uint64(i+1)
		})
	}
	worker := w.join(1)
	claimed, running, left := w.next(worker), w.next(worker), w.next(worker)
	for _, i := range []uint32{running, left} {
		worker.Move(i, wire.StateClaimed, wire.StateStarted)
	}
	gone := worker.RequestHead(left)[5] - '0'
	reset(clients[gone].(*net.TCPConn))
	line := w.snapshot("a client that has left", func(s front.Snapshot, _ *front.Line) bool {
		v := &s.Values
		return v[observe.RequestsQueued] == 4 && v[observe.RequestsRunning] == 1 && v[observe.RequestsLeft] == 1 && v[observe.Connections] == 5 &&
			v[observe.RequestsTotal] == 6 && v[observe.SlotsFree] == 2*64-6
	})
	if !slices.Equal(line.Left, []int{1}) || len(line.Requests) != 5 {
		t.Fatalf("got %+v", line)
	}
	for _, q := range line.Requests {
		want := front.Request{ID: q.ID, Method: "PUT", Path: q.Path, Client: "127.0.0.1", Stage: dispatch.StageQueued, Worker: -1, Thread: q.Thread, Core: -1, Age: q.Age}
		switch q.Path[1] {
		case worker.RequestHead(claimed)[5]:
			want.Worker = 1
		case worker.RequestHead(running)[5]:
			want.Worker, want.Stage = 1, dispatch.StageRunning
		}
		if q != want || q.Age <= 0 || q.Age > time.Minute || len(q.Path) != 2 {
			t.Errorf("got %+v, want %+v", q, want)
		}
	}
	if !slices.IsSortedFunc(line.Requests, func(a, b front.Request) int { return int(b.Age - a.Age) }) {
		t.Errorf("they are not the oldest first: %+v", line.Requests)
	}
	hello(worker, running)
	w.snapshot("a request that was served", func(_ front.Snapshot, line *front.Line) bool { return slices.Equal(line.Served, []uint64{0, 1}) })
	w.generation.WorkerDied(1, func([]dispatch.InHand) {})
	w.snapshot("a number that begins anew", func(s front.Snapshot, line *front.Line) bool {
		return slices.Equal(line.Served, []uint64{0, 0}) && s.Values[observe.RequestsQueued] == 4 && s.Values[observe.RequestsLeft] == 0
	})
}

func TestPressureIsHowManyThreadsAreBusyAndHowLongTheOldestHasWaited(t *testing.T) {
	w := start(t, 2, 2)
	pressure := func() dispatch.Pressure {
		told := make(chan dispatch.Pressure, 1)
		w.generation.Pressure(func(p dispatch.Pressure) { told <- p })
		return <-told
	}
	if p := pressure(); p != (dispatch.Pressure{}) {
		t.Errorf("got %+v of nothing", p)
	}
	clients := make([]net.Conn, 4)
	for i := range clients {
		clients[i] = w.dial()
		fmt.Fprintf(clients[i], "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	all := func(queued, running int) func(front.Snapshot, *front.Line) bool {
		return func(s front.Snapshot, _ *front.Line) bool {
			return s.Values[observe.RequestsQueued] == uint64(queued) && s.Values[observe.RequestsRunning] == uint64(running)
		}
	}
	w.snapshot("four in line", all(4, 0))
	if p, waits := w.generation.Glance(); p != (dispatch.Pressure{}) || !waits {
		t.Errorf("got %+v, %v at a glance at four in line", p, waits)
	}
	worker := w.join(1)
	claimed, running, done := w.next(worker), w.next(worker), w.next(worker)
	for _, i := range []uint32{running, done} {
		worker.Move(i, wire.StateClaimed, wire.StateStarted)
	}
	w.snapshot("two that run", all(2, 2))
	if p := pressure(); p.Busy != 3 || p.Free || p.Waited <= 0 || p.Waited > time.Minute {
		t.Errorf("got %+v with a claimed, two started and a waiting one", p)
	}
	hello(worker, done)
	w.snapshot("one that runs", all(2, 1))
	worker.Move(claimed, wire.StateClaimed, wire.StateStarted)
	last := w.next(worker)
	worker.Move(last, wire.StateClaimed, wire.StateStarted)
	w.snapshot("none in line", all(0, 3))
	if p := pressure(); p.Busy != 3 || p.Waited != 0 {
		t.Errorf("got %+v with three started ones", p)
	}
	if _, waits := w.generation.Glance(); waits {
		t.Error("somebody waits, at a glance")
	}
	w.switchOver(2, 2)
	if p := pressure(); p != (dispatch.Pressure{}) {
		t.Errorf("got %+v of a generation that has just begun", p)
	}
}

func TestTalliesCountWhatAWorkerSaysOfItselfAndNothingBeyondIt(t *testing.T) {
	w := startWith(t, 2, 2, func(o *front.Options) { o.Count = true })
	said := []struct{ ran, core uint32 }{{1500, 0}, {500, 0}, {^uint32(0), 1 << 30}} // the last is no thread
	served := 0
	w.work(1, func(worker *slottest.Worker, i uint32) {
		s := worker.Slot(i)
		if s.Flags&wire.FlagTimed == 0 || s.Ran != 0 {
			t.Errorf("the worker is not asked: flags %b, ran %d", s.Flags, s.Ran)
		}
		s.Ran, s.Core = said[served].ran, said[served].core
		served++
		fixed(worker, i)
	})
	c := w.clients(1)
	for range said {
		c.round()
	}
	line := w.snapshot("what was served", func(_ front.Snapshot, line *front.Line) bool { return line.Tallies[1].Requests == 3 })
	got := line.Tallies[1]
	if got.Ran != 2*time.Millisecond+time.Duration(^uint32(0))*time.Microsecond || got.Cores[0] != 2 || got.Exceptions+got.TimedOut != 0 {
		t.Errorf("got %+v", got)
	}
	if got.Bytes < 3*uint64(len(body)) || got.Bytes > 3*200 {
		t.Errorf("%d bytes of replies", got.Bytes)
	}
	if other := line.Tallies[0]; other.Requests != 0 || other.Bytes != 0 {
		t.Errorf("the other worker has %+v", other)
	}
}
