package speyside

import (
	"context"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/control"
	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/generation"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
)

// openStats listens where the state is told in the form of uWSGI's stats server.
func (r *Server) openStats(ctx context.Context) error {
	s := r.settings()
	has := func(form string) bool { return slices.Contains(s.StatsForm, form) }
	document := control.NewStatsDocument(control.StatsOptions{Gather: r.stats, HTTP: has(settings.StatsHTTP), Minified: has(settings.StatsMinified),
		NoCores: has(settings.StatsNoCores), Log: r.log})
	for _, a := range s.Stats {
		address := listen.Address{Host: a.Host, Port: a.Port, Path: a.Path, FD: a.FD}
		listener, err := r.listener(ctx, address)
		if err != nil {
			return notListening(address, err)
		}
		server, err := control.ServeStats(listener, document)
		if err != nil {
			return notListening(address, err)
		}
		r.watched.add(server)
		r.mu.Lock()
		r.upgrade.sockets = append(r.upgrade.sockets, bound{address, listener})
		r.mu.Unlock()
		if open(listener.Address) {
			r.log.Warn("stats told to everybody who can connect", "address", plain(listener.Address), "hint", "name 127.0.0.1, or the path of a Unix socket.")
		} else {
			r.log.Info("stats told", "address", plain(listener.Address))
		}
	}
	return nil
}

// open reports that others than this machine may be able to connect.
func open(a listen.Address) bool {
	if a.Path != "" || a.FD != 0 {
		return false
	}
	ip := net.ParseIP(a.Host)
	return a.Host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// plain is an address as uWSGI writes it: a path, or host and port.
func plain(a listen.Address) string {
	if a.Path != "" {
		return a.Path
	}
	l := asListener(a)
	return net.JoinHostPort(l.Name, l.Port)
}

// stats is what the server says of itself, as uWSGI would.
func (r *Server) stats(ctx context.Context) control.Stats {
	g, line, values := r.serving(ctx)
	s := control.Stats{Version: settings.Version, Pid: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Cwd: r.app().Chdir, Locks: []map[string]uint64{},
		Sockets: r.statsSockets(), Daemons: []struct{}{}, Workers: []control.StatsWorker{}, ListenQueueErrors: values[observe.QueueFullTotal]}
	s.ListenQueue = values[observe.RequestsQueued] + values[observe.RequestsWaiting]
	for _, socket := range s.Sockets {
		s.ListenQueue += socket.Queue
		s.Load = max(s.Load, socket.Queue)
	}
	if line != nil {
		processes, _ := g.Load.(*load).arbiter.Snapshot(ctx)
		s.Workers = r.statsWorkers(processes, line)
	}
	return s
}

// serving is the generation in service, or else the first, and what the loops have of it. There is no line when none is left.
func (r *Server) serving(ctx context.Context) (generation.Snapshot, *front.Line, observe.Values) {
	generations := r.generations.Snapshots()
	if len(generations) == 0 {
		loops := r.front.Snapshot(ctx, nil)
		return generation.Snapshot{}, nil, loops.Values
	}
	i := max(0, slices.IndexFunc(generations, func(g generation.Snapshot) bool { return g.State == generation.InService }))
	line := generations[i].Load.(*load).line
	loops := r.front.Snapshot(ctx, []*front.Generation{line})
	return generations[i], loops.Lines[line], loops.Values
}

// statsSockets are the addresses of the application.
func (r *Server) statsSockets() []control.StatsSocket {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []control.StatsSocket{}
	for _, s := range r.upgrade.sockets {
		if !slices.Contains(r.addresses, s.listener.Address) {
			continue // health checks, or this
		}
		socket := control.StatsSocket{Name: plain(s.listener.Address), Proto: "http", MaxQueue: uint64(r.settings().Backlog)}
		// Of a listening socket the kernel says here how many connections it holds, and how many it may.
		if info, err := unix.GetsockoptTCPInfo(s.listener.FD, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			socket.Queue, socket.MaxQueue = uint64(info.Unacked), uint64(info.Sacked)
		}
		all = append(all, socket)
	}
	return all
}

// statsWorkers are the numbers that there are or were. One that nobody has now keeps its counts.
func (r *Server) statsWorkers(processes arbiter.Snapshot, line *front.Line) []control.StatsWorker {
	all := make([]control.StatsWorker, len(processes.Numbers))
	for number, has := range processes.Numbers {
		t := &line.Tallies[number]
		w := &all[number]
		*w = control.StatsWorker{ID: number + 1, Status: control.StatsCheap, Requests: t.Requests, Exceptions: t.Exceptions, HarakiriCount: t.TimedOut,
			RunningTime: t.Ran.Microseconds(), RespawnCount: has.Spawns, TX: t.Bytes}
		if t.Requests > 0 {
			w.AvgRT = w.RunningTime / int64(t.Requests)
		}
		if has.Spawns > 0 {
			w.LastSpawn = has.Spawned.Unix()
		}
		w.Apps = []control.StatsApp{{Mountpoint: r.app().RootPath, Requests: t.Requests, Exceptions: t.Exceptions, Chdir: r.app().Chdir}}
		for core, requests := range t.Cores {
			w.Cores = append(w.Cores, control.StatsCore{ID: core, Requests: requests, Vars: []string{}})
		}
	}
	for _, w := range processes.Workers {
		if w.Number < len(all) {
			alive(&all[w.Number], w, line)
		}
	}
	for _, h := range line.Held {
		if h.Worker >= 0 && h.Worker < len(all) && all[h.Worker].Pid != 0 {
			all[h.Worker].Status = control.StatsBusy
			if core := coreOf(all, h.Worker, h.Core); core != nil {
				core.InRequest = 1
			}
		}
	}
	for _, q := range line.Requests {
		if core := coreOf(all, q.Worker, q.Core); core != nil && q.Stage == dispatch.StageRunning {
			describe(core, q)
		}
	}
	return all
}

// coreOf finds a thread; nil where there is none of that number.
func coreOf(all []control.StatsWorker, worker, core int) *control.StatsCore {
	if worker < 0 || worker >= len(all) || core < 0 || core >= len(all[worker].Cores) {
		return nil
	}
	return &all[worker].Cores[core]
}

// alive fills in what is of the process that there is.
func alive(w *control.StatsWorker, is arbiter.WorkerSnapshot, line *front.Line) {
	w.Pid, w.Status, w.DeltaRequests = is.Pid, control.StatsIdle, line.Served[is.Number]
	if is.State == arbiter.WorkerReady {
		w.Accepting = 1
	}
	if p, err := observe.Glance(is.Pid); err == nil && is.Pid != 0 {
		w.RSS, w.VSZ = p.RSS, p.VSZ
	}
}

// describe fills in what a thread is doing. The query is left out, as elsewhere: there may be secrets in it.
func describe(core *control.StatsCore, q front.Request) {
	core.Vars = []string{"REQUEST_METHOD=" + q.Method, "REQUEST_URI=" + q.Path}
	if q.Client != "" {
		core.Vars = append(core.Vars, "REMOTE_ADDR="+q.Client)
	}
	core.ReqInfo.RequestStart = time.Now().Add(-q.Age).Unix()
}
