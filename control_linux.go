package speyside

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/control"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/generation"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
)

// watched is how the server is asked about itself.
type watched struct {
	mu     sync.Mutex
	over   bool
	told   []telling       // health checks and stats
	socket *control.Socket // nil when there is none
	halt   func()          // stops at once
}

// telling is an address where the server tells of itself.
type telling interface {
	Close()
	Disown() // leaves the path of a Unix socket to another process
}

// openHealth listens for health checks where nothing of the application is served.
func (r *Server) openHealth(ctx context.Context) error {
	s := r.settings()
	options := control.HealthOptions{LivePath: s.LivePath, ReadyPath: s.ReadyPath, Live: r.front.Live, Unready: r.front.Unready, Log: r.log}
	for _, a := range s.AdminBind {
		address := listen.Address{Host: a.Host, Port: a.Port, Path: a.Path, FD: a.FD}
		listener, err := r.listener(ctx, address)
		if err != nil {
			return notListening(address, err)
		}
		health, err := control.ServeHealth(listener, options)
		if err != nil {
			return notListening(address, err)
		}
		r.watched.add(health)
		r.mu.Lock()
		r.upgrade.sockets = append(r.upgrade.sockets, bound{address, listener})
		r.mu.Unlock()
		r.log.Info("health checks answered", "address", url(listener.Address), "live", s.LivePath, "ready", s.ReadyPath)
	}
	return nil
}

// openControl makes the control socket. Without one the server serves all the same.
func (r *Server) openControl() {
	if r.settings().ControlSocket == settings.ControlOff {
		return
	}
	socket, err := control.Open(r.settings().ControlSocket, control.Options{Status: r.status, Reload: r.awaitReload, Scale: r.Scale, Stop: r.stop, Log: r.log})
	if err != nil {
		r.log.Warn("control socket not made", "path", r.settings().ControlSocket, "error", err, "code", fault.ControlNotMade.Code,
			"hint", fault.ControlNotMade.Hint)
		return
	}
	if path := r.settings().ControlSocket; path != settings.ControlAbstract {
		if err := r.identity.owned(path); err != nil {
			r.log.Warn("control socket not given to the user", "path", path, "error", err)
		}
	}
	r.watched.control(socket)
	r.log.Debug("control socket made", "path", socket.Path)
}

// add has close end it.
func (w *watched) add(t telling) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told = append(w.told, t); w.over {
		w.end()
	}
}

// control does so with the control socket.
func (w *watched) control(socket *control.Socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.socket = socket; w.over {
		w.end()
	}
}

// renew has who asks see that the server has changed its user.
func (w *watched) renew() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.socket == nil {
		return nil
	}
	return w.socket.Renew()
}

// handOver leaves it to another process, which answers from now on.
func (w *watched) handOver() {
	w.mu.Lock()
	for _, t := range w.told {
		t.Disown()
	}
	w.mu.Unlock()
	w.close()
}

// close ends it, after all that there was to say of the server.
func (w *watched) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.end()
}

func (w *watched) end() {
	for _, t := range w.told {
		t.Close()
	}
	if w.socket != nil {
		w.socket.Close()
	}
	w.told, w.socket = nil, nil
}

// awaitReload reloads and waits for what becomes of it.
func (r *Server) awaitReload(ctx context.Context) (control.Reload, error) {
	select {
	case outcome := <-r.generations.AwaitReload():
		return *asReload(outcome), nil
	case <-ctx.Done():
		return control.Reload{}, errors.New("the server has ended")
	}
}

// stop drains, or ends the server at once.
func (r *Server) stop(now bool) {
	if now {
		r.watched.halt()
		return
	}
	r.Drain()
}

// status is what the server says of itself.
func (r *Server) status(ctx context.Context) control.Status {
	generations := r.generations.Snapshots()
	lines := make([]*front.Generation, len(generations))
	for i := range generations {
		lines[i] = generations[i].Load.(*load).line
	}
	loops := r.front.Snapshot(ctx, lines)
	loops.Values[observe.Workers], loops.Values[observe.WorkersAddedTotal], loops.Values[observe.WorkersDismissedTotal] =
		uint64(r.workers()), r.added.Load(), r.dismissed.Load()
	s := control.Status{Demand: r.demanded(), Name: r.settings().ProcName, Pid: os.Getpid(), Version: settings.Version, App: r.app().WSGIApp, State: r.state(),
		Age: time.Since(r.begun).Seconds(), Addresses: r.urls(), Metrics: loops.Values.ByName(),
		Generations: []control.Generation{}, SilentLoops: append([]int{}, loops.Silent...)}
	for i, g := range generations {
		processes, _ := g.Load.(*load).arbiter.Snapshot(ctx)
		s.Generations = append(s.Generations, r.describe(ctx, g, processes, loops.Lines[lines[i]]))
	}
	if last := r.generations.LastReload(); last.Generation > 0 {
		s.LastReload = asReload(last)
	}
	return s
}

func (r *Server) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopping != nil:
		return control.StateDraining
	case !r.accepting:
		return control.StateLoading
	}
	return control.StateServing
}

// describe puts together what the arbiter, the loops and the kernel say of a generation.
func (r *Server) describe(ctx context.Context, g generation.Snapshot, processes arbiter.Snapshot, line *front.Line) control.Generation {
	d := control.Generation{Number: g.Number, State: string(g.State), Age: time.Since(g.Begun).Seconds(), Workers: []control.Worker{},
		Queue: []control.Request{}}
	if processes.Zygote > 0 {
		zygote := lookAt(ctx, processes.Zygote)
		d.Zygote = &zygote
	}
	places := map[int]int{} // in d.Workers, by the worker's number
	for _, w := range processes.Workers {
		places[w.Number] = len(d.Workers)
		d.Workers = append(d.Workers, control.Worker{Number: w.Number, Process: lookAt(ctx, w.Pid), State: string(w.State),
			Requests: line.Served[w.Number], InHand: []control.Request{}})
	}
	for _, number := range line.Left {
		if i, there := places[number]; there {
			d.Workers[i].Left++
		}
	}
	for _, number := range line.Overdue {
		if i, there := places[number]; there {
			d.Workers[i].Overdue++
		}
	}
	for _, q := range line.Requests {
		request := control.Request{ID: r.requestID(q.ID), Method: q.Method, Path: q.Path, Client: q.Client, State: stage(q.Stage),
			Age: q.Age.Seconds(), Thread: q.Thread}
		if i, there := places[q.Worker]; there {
			d.Workers[i].InHand = append(d.Workers[i].InHand, request)
		} else {
			d.Queue = append(d.Queue, request)
		}
	}
	return d
}

func stage(s dispatch.Stage) string {
	switch s {
	case dispatch.StageQueued:
		return "queued"
	case dispatch.StageSending:
		return "sending"
	}
	return "running"
}

// lookAt asks the kernel about a process, while there is time.
func lookAt(ctx context.Context, pid int) control.Process {
	if pid == 0 || ctx.Err() != nil {
		return control.Process{Pid: pid}
	}
	p, err := observe.LookAt(pid)
	if err != nil { // it has just ended
		return control.Process{Pid: pid}
	}
	return control.Process{Pid: pid, Age: p.Age.Seconds(), RSS: p.RSS, PSS: p.PSS}
}

func asReload(o generation.Outcome) *control.Reload {
	return &control.Reload{Generation: o.Generation, Age: time.Since(o.At).Seconds(), Error: o.Error, Code: o.Code, Hint: o.Hint,
		Traceback: o.Traceback}
}
