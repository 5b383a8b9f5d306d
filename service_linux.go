package speyside

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/generation"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/service"
)

// managed is what whoever runs the server sees of it from outside.
type managed struct {
	notifier *service.Notifier
	pid      *service.PidFile // nil when none is wanted
}

// openService takes what a service manager has given, and makes the pid file.
func (r *Server) openService() (err error) {
	r.managed.notifier = service.NewNotifier(r.log)
	if err := r.findPredecessor(); err != nil {
		return err
	}
	if r.activated, err = listen.Activated(); err != nil {
		return fault.New(fault.AddressNotBindable, "the sockets of LISTEN_FDS cannot be listened on: %w", err)
	}
	if p := r.upgrade.predecessor; p != nil {
		for _, s := range p.Sockets {
			if s.Address.FD != 0 {
				if r.activated[s.Address.FD], err = p.Socket(s.Address); err != nil {
					return fault.New(fault.UpgradeFailed, "%w", err)
				}
			}
		}
		return nil // the pid is written once this process has taken over
	}
	return r.writePid(0)
}

// writePid makes the pid file, where one is wanted.
func (r *Server) writePid(predecessor int) (err error) {
	if r.settings().PidFile == "" {
		return nil
	}
	file, err := service.WritePid(r.settings().PidFile, predecessor)
	if err == nil {
		if err := r.identity.owned(r.settings().PidFile); err != nil {
			r.log.Warn("pid file not given to the user", "error", err)
		}
		r.mu.Lock()
		r.managed.pid = file
		r.mu.Unlock()
	}
	return err
}

// keepPid writes the file again, if a process that was to take over has come as far as that.
func (r *Server) keepPid() {
	if r.managed.pid == nil {
		return
	}
	if err := r.managed.pid.Keep(); err != nil {
		r.log.Error("pid file not written", "error", err)
	}
}

// watchService keeps the manager's watchdog quiet while every loop answers.
func (r *Server) watchService(ctx context.Context) {
	r.managed.notifier.Status("Loading " + r.app().WSGIApp)
	go r.managed.notifier.Watch(ctx, r.front.Live)
}

func (m *managed) removePid() {
	if m.pid != nil {
		m.pid.Remove()
	}
}

func (m *managed) close() {
	if m.notifier != nil {
		m.notifier.Close()
	}
}

// tellServing says that the application is there and connections are accepted.
func (r *Server) tellServing(l arbiter.Loaded) {
	r.managed.notifier.Ready("Serving " + r.app().WSGIApp)
	started := Started{URLs: r.urls(), App: l.Name, Config: r.file, Framework: l.Framework, Python: l.Python, Executable: l.Executable, WhyPython: *r.chosen.Load(),
		Workers: l.Workers, Reckoned: r.reckoned(), Threads: l.Threads, Script: r.script, Took: time.Since(r.begun)}
	if d := r.demanded(); d != nil && !l.Alone {
		started.WorkersMin, started.WorkersMax = d.Min, d.Max
	}
	if r.logs.log != nil { // it is for a program, or for later
		r.log.Info("serving", "application", started.App, "urls", strings.Join(started.URLs, " "), "workers", started.Workers, "threads", started.Threads,
			"python", started.Python, "executable", started.Executable, "took", started.Took.Round(time.Millisecond))
	}
	if !r.logs.machine {
		r.started(started)
	}
}

// reloadBegan and reloadSettled tell the manager of a reload. It counts as one until it is known what became of it.
func (r *Server) reloadBegan(number int) {
	r.managed.notifier.Reloading(fmt.Sprintf("Serving %s, loading generation %d", r.app().WSGIApp, number))
}

func (r *Server) reloadSettled(o generation.Outcome) {
	text := fmt.Sprintf("Serving %s, generation %d", r.app().WSGIApp, o.Generation)
	if o.Error != "" {
		text = fmt.Sprintf("Serving %s; generation %d failed: %s", r.app().WSGIApp, o.Generation, o.Error)
	}
	r.managed.notifier.Ready(text)
	go debug.FreeOSMemory()
}
