//go:build linux

package front

import (
	"bytes"
	"context"
	"slices"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/observe"
)

// Request is one request in hand.
type Request struct {
	ID     uint64
	Method string
	Path   string // as it was received, without the query
	Client string // its address; empty on a Unix socket
	Stage  dispatch.Stage
	Worker int // -1 while none has it
	Thread int // the kernel's number; the worker's word; 0 while none has it
	Core   int // the worker's number of that thread; -1 while none has it, and where nothing is counted
	Age    time.Duration
}

// Held is a request that a thread has begun, whether anybody still waits for it or not.
type Held struct {
	Worker, Core int // the worker's number of the thread, as its word; -1 where it has not said
}

// Line is what the loops have of one generation.
type Line struct {
	Requests []Request        // oldest first
	Served   []uint64         // requests, by the number of the worker
	Tallies  []dispatch.Tally // the same, where it is counted
	Held     []Held           // where it is counted
	Left     []int            // the workers of requests whose clients have left, one for each
	Overdue  []int            // the workers of requests that were answered in the application's place, one for each
}

// Snapshot is what the loops are about at an instant.
type Snapshot struct {
	Lines  map[*Generation]*Line
	Values observe.Values
	Silent []int // the numbers of loops that have not answered
}

// mostRequests bounds the requests that one loop tells of, so that it is back at work soon.
const mostRequests = 1024

// Snapshot asks every loop, which stops none: what one has to tell it copies. One that has not answered before the end of ctx is
// left out and named.
func (f *Front) Snapshot(ctx context.Context, generations []*Generation) Snapshot {
	told := make(chan laneSnapshot, len(f.lanes))
	whole := Snapshot{Lines: map[*Generation]*Line{}}
	for _, g := range generations {
		whole.Lines[g] = &Line{Served: make([]uint64, g.segment.Workers)}
		if f.options.Count {
			whole.Lines[g].Tallies = dispatch.NewTallies(g.segment.Workers, g.segment.Threads)
		}
	}
	asked := 0
	for i := range f.lanes {
		whole.Silent = append(whole.Silent, i)
		if f.askOne(i, func(l *lane) { told <- l.snapshot(i, generations) }) {
			asked++
		}
	}
	for range asked {
		select {
		case s := <-told:
			whole.Silent = slices.DeleteFunc(whole.Silent, func(i int) bool { return i == s.number })
			whole.Values.Add(&s.values)
			for _, g := range generations {
				whole.Lines[g].add(s.lines[g.ports[s.number]])
			}
		case <-ctx.Done():
		}
	}
	if log := f.options.AccessLog; log != nil {
		whole.Values[observe.AccessLinesLostTotal] = log.Sink.Lost()
	}
	for _, line := range whole.Lines {
		slices.SortFunc(line.Requests, func(a, b Request) int { return int(b.Age - a.Age) })
	}
	return whole
}

func (line *Line) add(of *Line) {
	line.Requests = append(line.Requests, of.Requests...)
	line.Left = append(line.Left, of.Left...)
	line.Overdue = append(line.Overdue, of.Overdue...)
	line.Held = append(line.Held, of.Held...)
	for worker, n := range of.Served {
		line.Served[worker] += n
	}
	for worker := range of.Tallies {
		line.Tallies[worker].Add(&of.Tallies[worker])
	}
}

// laneSnapshot is what one loop tells.
type laneSnapshot struct {
	number int
	lines  map[*dispatch.Port]*Line
	values observe.Values
}

func (l *lane) snapshot(number int, generations []*Generation) laneSnapshot {
	s := laneSnapshot{number: number, lines: map[*dispatch.Port]*Line{}, values: l.values}
	for _, g := range generations { // also those that the loop has let go of
		s.lines[g.ports[number]] = &Line{Served: g.ports[number].Served(), Tallies: g.ports[number].Tallies()}
	}
	v := &s.values
	v[observe.Connections] = uint64(len(l.open))
	for c := range l.open {
		if c.phase == phaseHead && c.timer.In(l.keepAlive) {
			v[observe.ConnectionsIdle]++
		}
	}
	told := 0
	for _, p := range l.ports {
		line := s.lines[p]
		if line == nil { // a generation that has ended, but for what is still sent
			line = &Line{}
		}
		p.Exchanges(func(e *dispatch.Exchange) {
			stage, worker := e.Stage()
			v[stageMetric[stage]]++
			if line.Tallies != nil && (stage == dispatch.StageRunning || stage == dispatch.StageLeft || stage == dispatch.StageOverdue) {
				line.Held = append(line.Held, Held{worker, e.Core()})
			}
			c, _ := e.Receiver().(*conn)
			switch {
			case stage == dispatch.StageOverdue:
				line.Overdue = append(line.Overdue, worker)
			case c == nil:
				line.Left = append(line.Left, worker)
			case told < mostRequests:
				told++
				line.Requests = append(line.Requests, c.describe(e, stage, worker))
			}
		})
	}
	if l.port != nil {
		v[observe.QueueWait] = uint64(l.port.Pressure().Waited.Milliseconds())
		v[observe.SlotsFree], v[observe.RequestsWaiting] = uint64(l.port.Free()), uint64(l.port.Waiting())
	}
	return s
}

// stageMetric is the gauge of each stage.
var stageMetric = [...]observe.Metric{dispatch.StageQueued: observe.RequestsQueued, dispatch.StageRunning: observe.RequestsRunning,
	dispatch.StageSending: observe.RequestsSending, dispatch.StageLeft: observe.RequestsLeft, dispatch.StageOverdue: observe.RequestsOverdue}

// describe tells of the request in hand.
func (c *conn) describe(e *dispatch.Exchange, stage dispatch.Stage, worker int) Request {
	method, target, _ := bytes.Cut(c.label[:c.labelLen], []byte(" "))
	path, _, _ := bytes.Cut(target, []byte("?"))
	client := c.request.RemoteAddr
	if o := c.request.Origin; o != nil {
		client = o.Addr
	}
	q := Request{ID: c.request.ID, Method: string(method), Path: string(path), Client: string(client), Stage: stage,
		Worker: worker, Age: e.Age(), Core: -1}
	if stage == dispatch.StageRunning {
		q.Thread, q.Core = e.Thread(), e.Core()
	}
	return q
}
