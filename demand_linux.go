package speyside

import (
	"context"
	"fmt"
	"os"
	"time"

	"speyside.dev/speyside/internal/cgroup"
	"speyside.dev/speyside/internal/control"
	"speyside.dev/speyside/internal/demand"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
)

// The number of workers follows the demand, where workers_min or workers_max says so: what there is to see is looked at here, and
// what it means is decided in internal/demand.

// unmeasured is what a worker is reckoned with when the kernel does not tell what those have that there are.
const unmeasured = settings.WorkerMemory

// followDemand goes on until the end of alive. Without bounds it sleeps.
func (r *Server) followDemand(alive context.Context) {
	for alive.Err() == nil {
		if least, most, demanded := r.bounds(r.settings()); demanded && least < most {
			r.lookUntilRebound(alive)
			continue
		}
		select {
		case <-r.rebound:
		case <-alive.Done():
		}
	}
}

// lookUntilRebound looks again and again, until other settings may have other bounds.
func (r *Server) lookUntilRebound(alive context.Context) {
	ticker := time.NewTicker(demand.LookEvery)
	defer ticker.Stop()
	var scaler demand.Scaler
	for {
		select {
		case <-ticker.C:
			r.lookAtDemand(alive, &scaler)
		case <-r.rebound:
			return
		case <-alive.Done():
			return
		}
	}
}

func (r *Server) lookAtDemand(alive context.Context, scaler *demand.Scaler) {
	if r.alone.Load() || r.state() != control.StateServing {
		return
	}
	r.inService(func(l *load) {
		pressure, told := l.pressure(alive)
		if !told {
			return
		}
		s := r.settings()
		_, most, _ := r.bounds(s)
		o := demand.Observation{Workers: r.workers(), Ready: int(l.serving.Load()), Threads: r.threads(l.settings), Busy: pressure.Busy, Free: pressure.Free,
			Waited: pressure.Waited}
		bounds := demand.Bounds{Least: int(r.floor.Load()), Most: most, Calm: s.Apps[0].WorkersCalm}
		step := scaler.Look(time.Now(), o, bounds, func() demand.Room { return r.memoryLeft(alive, s) })
		if refused := step.Refused; refused != nil {
			r.log.Warn("worker not added", "workers", o.Workers, "waited", o.Waited.Round(time.Millisecond), "needs", megabytes(refused.Worker),
				"left", megabytes(refused.Left), "of", refused.Of, "code", fault.WorkerDoesNotFit.Code, "hint", fault.WorkerDoesNotFit.Hint)
		}
		r.take(step, o.Workers)
	})
}

// pressure looks at the segment, and asks the loops only when requests wait: they need not wake to say that nothing is to be done. One that hangs is not asked
// again.
func (l *load) pressure(alive context.Context) (dispatch.Pressure, bool) {
	l.server.mu.Lock() // the segment stays as long
	var glance dispatch.Pressure
	var waits bool
	_, there := l.server.loads[l]
	if there {
		glance, waits = l.line.Glance()
	}
	l.server.mu.Unlock()
	if !there || !waits {
		return glance, there
	}
	told := make(chan dispatch.Pressure, 1)
	l.line.Pressure(func(p dispatch.Pressure) { told <- p })
	select {
	case p := <-told:
		return p, true
	case <-alive.Done():
		return dispatch.Pressure{}, false
	}
}

// take goes a step, unless somebody has scaled meanwhile, or the server is about to end.
func (r *Server) take(step demand.Step, from int) {
	if step.By == 0 {
		return
	}
	r.scaling.Lock()
	defer r.scaling.Unlock()
	least, most, demanded := r.bounds(r.settings())
	if to := from + step.By; r.workers() == from && demanded && to >= max(least, int(r.floor.Load())) && to <= most && r.state() == control.StateServing {
		if step.By > 0 {
			r.added.Add(1)
		} else {
			r.dismissed.Add(1)
		}
		r.scale(to, "reason", step.Reason)
	}
}

// memoryLeft is how much memory there is for another worker: the least of what workers_memory, the control group and the machine leave.
func (r *Server) memoryLeft(ctx context.Context, s *settings.Settings) demand.Room {
	has, worker := r.memoryTaken(ctx)
	room := demand.Room{Worker: worker}
	limit := func(left int64, format string, args ...any) {
		if room.Of == "" || left < room.Left {
			room.Left, room.Of = left, fmt.Sprintf(format, args...)
		}
	}
	if most := s.Apps[0].WorkersMemory; most > 0 {
		limit(most-has, "workers_memory, %s", megabytes(most))
	}
	if group, found := cgroup.FindMemory(os.DirFS("/")); found {
		if left, most, limited := group.Left(); limited {
			limit(left, "cgroup %s, which may have %s", group.Name(), megabytes(most))
		}
	}
	if left := observe.Available(); left > 0 {
		limit(left, "the machine")
	}
	return room
}

// memoryTaken is what zygotes and workers of all generations have together, and what a further worker would take: as much as the largest that there is.
func (r *Server) memoryTaken(ctx context.Context) (all, worker int64) {
	for _, g := range r.generations.Snapshots() {
		processes, _ := g.Load.(*load).arbiter.Snapshot(ctx)
		all += partOf(processes.Zygote)
		for _, w := range processes.Workers {
			part := partOf(w.Pid)
			all, worker = all+part, max(worker, part)
		}
	}
	if worker == 0 {
		worker = unmeasured
	}
	return all, worker
}

// partOf is what a process has in RAM, with its part of what it shares. Where the kernel does not tell that, all of what it shares counts.
func partOf(pid int) int64 {
	if pid == 0 {
		return 0
	}
	p, err := observe.LookAt(pid)
	if err != nil { // it has just ended
		return 0
	}
	if p.PSS == 0 {
		return p.RSS
	}
	return p.PSS
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1fMiB", float64(bytes)/(1<<20)) }

// demanded is what there is to say of it; nil where the number does not follow the demand.
func (r *Server) demanded() *control.Demand {
	least, most, demanded := r.bounds(r.settings())
	if !demanded {
		return nil
	}
	return &control.Demand{Workers: r.workers(), Min: least, Floor: int(r.floor.Load()), Max: most}
}
