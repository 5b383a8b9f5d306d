package speyside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/listen"
	"speyside.dev/speyside/internal/service"
)

// bound is a listening socket and the address that it was opened for.
type bound struct {
	wanted   listen.Address
	listener *listen.Listener
}

// upgrade is the replacement of this process by another, and of another by this one.
type upgrade struct {
	dir         string               // in which the program was started, by its path
	predecessor *service.Predecessor // nil unless this process takes over
	serving     bool                 // it has, or there was none
	loaded      arbiter.Loaded       // what there is to tell then
	sockets     []bound
	successor   *service.Successor // nil unless one is on its way
	done        bool               // it has taken over
}

// hookPatience is how long a hook may take that comes before an upgrade.
const hookPatience = 30 * time.Second

// Upgrade starts the program anew, as it is on disk now, and has it take over when it serves. It does not wait; what became of it is logged.
func (r *Server) Upgrade() {
	r.inService(func(l *load) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), hookPatience)
			defer cancel()
			if !l.arbiter.PrepareExec(ctx) {
				r.upgradeFailed(errors.New("the hook pre_exec raised, as the line above says"))
				return
			}
			r.beginUpgrade()
		}()
	})
}

func (r *Server) beginUpgrade() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if why := r.mayNotUpgrade(); why != "" {
		r.log.Warn("upgrade refused", "why", why, "code", fault.UpgradeRefused.Code, "hint", fault.UpgradeRefused.Hint)
		return
	}
	path, err := anew(os.Args[0], r.upgrade.dir)
	if err == nil {
		sockets := make([]service.Socket, 0, len(r.upgrade.sockets))
		for _, s := range r.upgrade.sockets {
			sockets = append(sockets, service.Socket{Address: s.wanted, FD: s.listener.FD, Removes: s.listener.Owned()})
		}
		r.upgrade.successor, err = service.StartSuccessor(path, r.upgrade.dir, sockets)
	}
	if err != nil {
		r.upgradeFailed(err)
		return
	}
	r.log.Info("upgrade began", "program", path, "pid", r.upgrade.successor.Pid)
	go r.awaitSuccessor(r.upgrade.successor)
}

// mayNotUpgrade says why the program cannot be replaced, or "". It is called with the lock.
func (r *Server) mayNotUpgrade() string {
	switch {
	case r.stopping != nil || r.upgrade.done:
		return "the server stops"
	case r.upgrade.successor != nil:
		return fmt.Sprintf("process %d is about to take over already", r.upgrade.successor.Pid)
	case !r.upgrade.serving:
		return "the application is not loaded yet"
	case os.Getpid() == 1:
		return "the end of process 1 is the end of its container"
	case os.Getenv("SUPERVISOR_ENABLED") != "":
		return "supervisord would take it for the end of the service"
	case os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid()) && !r.managed.notifier.Managed() && r.managed.pid == nil:
		return "systemd would take it for the end of the service, which has neither Type=notify nor a PIDFile="
	}
	return ""
}

func (r *Server) upgradeFailed(err error) {
	r.log.Error("upgrade failed", "error", err, "code", fault.UpgradeFailed.Code, "hint", fault.UpgradeFailed.Hint)
}

// anew finds the program that arg0 names now, as it was found when this one was started in dir.
func anew(arg0, dir string) (string, error) {
	if strings.Contains(arg0, "/") && !filepath.IsAbs(arg0) {
		arg0 = filepath.Join(dir, arg0)
	}
	return exec.LookPath(arg0)
}

// awaitSuccessor drains once another process serves. If none does, this one goes on as if nothing had been.
func (r *Server) awaitSuccessor(s *service.Successor) {
	err := s.Await()
	r.mu.Lock()
	if r.upgrade.successor != s { // given up
		r.mu.Unlock()
		return
	}
	r.upgrade.successor, r.upgrade.done = nil, err == nil
	r.mu.Unlock()
	if err != nil {
		r.upgradeFailed(err)
		r.keepPid()
		return
	}
	r.log.Info("upgraded", "pid", s.Pid)
	r.front.HandOver()
	r.watched.handOver()
	r.managed.notifier.HandOver(s.Pid)
	s.Bless()
	r.Drain()
}

// take takes the successor that is on its way, if there is one, from whoever waits for it. It is called with the lock.
func (u *upgrade) take() *service.Successor {
	s := u.successor
	u.successor = nil
	return s
}

// giveUp ends a successor, if there is one, because the server stops.
func (r *Server) giveUp(s *service.Successor) {
	if s != nil {
		r.log.Warn("upgrade given up", "pid", s.Pid, "why", "the server stops")
		s.GiveUp()
	}
}

// findPredecessor sees whether this process is to take over from another.
func (r *Server) findPredecessor() (err error) {
	if r.upgrade.dir, err = os.Getwd(); err != nil {
		r.upgrade.dir = "/"
	}
	if r.upgrade.predecessor, err = service.FindPredecessor(); err != nil {
		return fault.New(fault.UpgradeFailed, "%w", err)
	}
	r.upgrade.serving = false
	if p := r.upgrade.predecessor; p != nil {
		go func() {
			if p.Watch() {
				r.abandoned()
			}
		}()
	}
	return nil
}

// abandoned ends this process if it has not taken over: the one before it has ended, or does not want it to.
func (r *Server) abandoned() {
	r.mu.Lock()
	serving, loads := r.upgrade.serving, r.generations
	r.mu.Unlock()
	if !serving && loads != nil {
		loads.Kill(alone())
	}
}

// alone is why a process ends that was to take over.
func alone() error {
	return fault.New(fault.UpgradeFailed, "the server that was to be replaced has ended or given up").WithHint("start the server again if none serves.")
}

// inherited is the socket of an address that the predecessor listens on, or nil.
func (r *Server) inherited(address listen.Address) (*listen.Listener, error) {
	if r.upgrade.predecessor == nil {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.upgrade.predecessor.Socket(address)
}

// takeOver begins to accept in the place of the predecessor.
func (r *Server) takeOver() {
	r.mu.Lock()
	p, loaded, begun := r.upgrade.predecessor, r.upgrade.loaded, r.upgrade.serving || r.stopping != nil
	r.upgrade.serving = true
	r.mu.Unlock()
	if begun {
		return
	}
	if err := r.writePid(p.Pid); err != nil {
		r.generations.Kill(err)
		return
	}
	r.front.Accept()
	if err := p.Serving(); err != nil {
		r.generations.Kill(alone())
		return
	}
	r.openControl()
	if err := r.openHealth(context.Background()); err != nil {
		r.log.Error("health checks not answered", "error", err)
	}
	if err := r.openStats(context.Background()); err != nil {
		r.log.Error("stats not told", "error", err)
	}
	r.mu.Lock()
	p.Close()
	r.mu.Unlock()
	r.tellServing(loaded)
}

// diedEarly ends a process whose workers die before it has taken over.
func (r *Server) diedEarly(how string) {
	r.mu.Lock()
	early := r.upgrade.predecessor != nil && !r.upgrade.serving
	r.mu.Unlock()
	if early {
		r.generations.Kill(fault.New(fault.UpgradeFailed, "%s before it was ready", how))
	}
}

// TakingOver reports that this process takes over from another one (USR2). It is asked before New.
func TakingOver() bool { return service.TakingOver() }
