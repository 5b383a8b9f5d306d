//go:build linux

package arbiter

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"speyside.dev/speyside/internal/fault"
)

// How Python ends when it has not come as far as stating a fact.
const (
	exitNoModule = 1 // -m: there is no such module
	exitUsage    = 2 // -P is of Python 3.11
)

const (
	closeGrace   = 5 * time.Second  // between closing its control socket and death, before it is killed
	spawnTimeout = 30 * time.Second // for a fork; a zygote that takes longer is replaced
)

// zygote is the process that loads the application and forks workers. Its fields belong to the goroutine of Run.
type zygote struct {
	process *process
	control *control
	booted  bool // Speyside's package was found: it has stated a fact
	loaded  bool
	alone   bool         // it is worker 0 itself
	ended   bool         // its script has come to its end
	ending  bool         // it has been told to end
	dead    bool         // it was a worker and has died as such
	refused bool         // it misspoke, and is not listened to any more
	failure *fault.Error // what ApplicationFailed said
}

// startZygote starts Python and orders it to load the application.
func (a *Arbiter) startZygote() {
	a.restarting = false
	if a.draining || a.done {
		if a.options.Started != nil {
			a.options.Started.Close()
		}
		a.settle()
		return
	}
	if a.options.Caller != nil {
		a.joinCaller()
		return
	}
	python, err := a.python()
	if err != nil {
		a.zygoteFailed(err)
		return
	}
	z := &zygote{process: python.process, control: python.control}
	a.zygote = z
	a.converse(z.control, z.process,
		func(f fact) { a.zygoteSaid(z, f) },
		func(err error) { a.zygoteMisspoke(z, err.Error()) },
		func() { a.zygoteDied(z) })
	if a.options.Reading != nil && !python.read {
		a.order(z, a.options.Reading.order())
	}
	a.order(z, a.loadOrder(), append(a.shared(), a.options.Relay...)...)
}

// shared is what those who serve share with the front, in the order of PROTOCOL.md.
func (a *Arbiter) shared() []*os.File {
	return slices.Concat([]*os.File{a.options.Segment, a.options.Spool}, a.options.Ports, a.options.Sockets)
}

// python is the one that has been started already, or a new one.
func (a *Arbiter) python() (*Python, *fault.Error) {
	if python := a.options.Started; python != nil {
		a.options.Started = nil
		python.belongTo(a.options.Reaper)
		return python, nil
	}
	return startPython(a.options.Python, a.options.Reaper)
}

func (a *Arbiter) loadOrder() loadApplication {
	return loadApplication{
		Type: "LoadApplication", App: a.options.App, Script: a.options.Script, Chdir: a.options.Dir,
		PasteGlobal: a.options.PasteGlobal, PythonPath: a.options.PythonPath, ScriptName: a.options.ScriptName, Generation: a.options.Generation,
		Environment: a.options.Env, Identity: a.options.Identity, Boot: a.options.Boot,
		Warmup: a.options.Warmup, Preload: a.options.Preload, Workers: a.options.Workers, MostWorkers: max(a.options.Workers, a.options.MostWorkers), Threads: a.options.Threads,
		SwitchInterval: a.options.SwitchInterval, Gunicorn: fitting(a.options.Gunicorn), UWSGI: a.options.UWSGI, Relayed: len(a.options.Relay) > 0, Capture: a.options.Capture, Occasion: a.occasion(), WorkersBefore: a.options.WorkersBefore,
	}
}

func (a *Arbiter) occasion() string {
	if a.begun {
		return occasionAgain
	}
	a.begun = true
	return a.options.Occasion
}

func cannotStart(python string, err error) *fault.Error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.PythonNotFound, "there is no Python at %s", python)
	}
	failed := fault.New(fault.PythonNotFound, "starting %s: %w", python, err)
	if errors.Is(err, fs.ErrPermission) {
		return failed.WithHint("user %d must be allowed to run it, and to search every directory on the way to it.", os.Geteuid())
	}
	return failed
}

// order gives an order to the zygote. One that does not read its orders is of no use.
func (a *Arbiter) order(z *zygote, order any, files ...*os.File) {
	var long *longOrderError
	switch err := z.control.send(order, files...); {
	case errors.As(err, &long): // the one that loads: what the others have is bounded
		z.failure = fault.New(fault.SettingInvalid, "what Python is told to load the application with has %d bytes, and may have %d", long.bytes, longestMessage).
			WithHint("raw_env, pythonpath, paste_global and warmup are part of it: put what is large into a file that the application reads.")
		z.process.signal(syscall.SIGKILL)
	case err != nil && !errors.Is(err, syscall.EPIPE):
		a.log.Error("zygote did not take an order", "pid", z.process.pid, "error", err)
		z.process.signal(syscall.SIGKILL)
	}
}

// converse receives facts until the other side is silent and its process has died; said and died are then posted.
func (a *Arbiter) converse(c *control, p *process, said func(fact), misspoke func(error), died func()) {
	go func() {
		p.wait()
		c.hush()
	}()
	go func() {
		for {
			f, err := c.receive()
			var malformed *malformedError
			if errors.As(err, &malformed) {
				a.post(func() { misspoke(err) })
				continue
			}
			if err != nil {
				break
			}
			a.post(func() { said(f) })
		}
		late := time.AfterFunc(closeGrace, func() { p.signal(syscall.SIGKILL) })
		p.wait()
		late.Stop()
		a.post(died)
	}()
}

func (a *Arbiter) zygoteSaid(z *zygote, f fact) {
	if z != a.zygote || z.refused {
		return
	}
	z.booted = true
	switch f.Type {
	case "ZygoteBooted", "ConfigurationRead":
	case "ListenWanted":
		a.listenWanted(z, f)
	case "ApplicationLoaded":
		a.applicationLoaded(z, f)
	case "ApplicationFailed", "ConfigurationFailed":
		z.failure = applicationFailed(f)
		if f.Traceback != "" && a.options.Traceback != nil {
			a.options.Traceback(lines(f.Traceback))
		}
	case "WorkerSpawned":
		a.workerSpawned(z, f)
	case "SpawnFailed":
		a.spawnFailed(z, f)
	case "WorkerReaped":
		a.workerReaped(f)
	case "ExecPrepared":
		a.execPrepared(!f.Failed)
	case "DrainWanted":
		switch {
		case a.options.Caller != nil:
			a.options.Caller.Left()
		case a.options.Script:
			a.drain()
		}
	case "ScriptEnded":
		a.scriptEnded(z, f)
	default:
		a.zygoteMisspoke(z, "unknown fact "+line(f.Type))
	}
}

// listenWanted asks the front to listen, away from the goroutine of Run: a host name may have to be looked up.
func (a *Arbiter) listenWanted(z *zygote, f fact) {
	if !a.options.Script || z.loaded || f.Port < 0 || f.Port > 65535 || len(f.Host) > 255 {
		a.zygoteMisspoke(z, "ListenWanted out of place")
		return
	}
	go func() {
		listener, err := a.options.Listen(f.Host, f.Port)
		a.post(func() {
			if err == nil {
				port, _ := strconv.Atoi(listener.Port)
				a.order(z, listenGranted{Type: "ListenGranted", Host: listener.Name, Port: port})
				return
			}
			errno := syscall.EADDRNOTAVAIL
			errors.As(err, &errno)
			a.order(z, listenRefused{Type: "ListenRefused", Errno: int(errno), Text: err.Error()})
		})
	}()
}

func (a *Arbiter) applicationLoaded(z *zygote, f fact) {
	if z.loaded || f.Alone && !a.options.Script && a.options.Caller == nil || !f.Alone && a.options.Caller != nil {
		a.zygoteMisspoke(z, "ApplicationLoaded out of place")
		return
	}
	z.loaded, z.alone = true, f.Alone
	loaded := Loaded{
		Name: line(f.Name), Python: line(f.Python), Executable: line(f.Executable), Framework: line(f.Framework),
		Workers: a.options.Workers, Threads: a.options.Threads, Alone: f.Alone,
	}
	if z.alone && a.options.Caller == nil {
		loaded.Workers, loaded.Threads = 1, 1
	}
	if a.deferred = &loaded; !f.Deferred {
		a.tellLoaded(z.process.pid)
	}
	if names := a.options.Limits.names(); z.alone && names != "" {
		a.log.Warn("limits not kept", "settings", names, "reason", "the script serves in its own process, which nothing can replace while it serves")
	}
	a.fill()
	a.relieve()
	a.settle()
}

// tellLoaded tells that the application is there, in the zygote or in the first worker that has loaded it itself.
func (a *Arbiter) tellLoaded(pid int) {
	loaded := a.deferred
	if loaded == nil {
		return
	}
	a.deferred, a.wasLoaded = nil, true
	a.log.Debug("application loaded", "name", loaded.Name, "pid", pid)
	if a.options.Loaded != nil {
		a.options.Loaded(*loaded)
	}
}

func applicationFailed(f fact) *fault.Error {
	entry := fault.ByCode(f.Code)
	if entry == nil || entry.Exit == 0 {
		entry = fault.ImportFailed
	}
	err := fault.New(entry, "%s", line(f.Text))
	if f.Hint != "" {
		err = err.WithHint("%s", line(f.Hint))
	}
	return err
}

// zygoteMisspoke ends a zygote that says what it cannot say; another one takes its place.
func (a *Arbiter) zygoteMisspoke(z *zygote, what string) {
	a.log.Error("zygote misspoke", "pid", z.process.pid, "what", what, "code", fault.WorkerMisspoke.Code)
	z.refused = true
	z.process.signal(syscall.SIGKILL)
}

func (a *Arbiter) zygoteDied(z *zygote) {
	status, _ := z.process.reap()
	a.options.Reaper.forget(z.process.pid)
	z.process.close()
	z.control.close()
	if z != a.zygote {
		return
	}
	a.zygote = nil
	a.execPrepared(true)
	a.dismissUnknown(z)
	switch {
	case a.draining || z.ended:
		a.log.Debug("zygote ended", append([]any{"pid", z.process.pid}, describe(status)...)...)
		a.drain()
	case z.failure != nil:
		a.zygoteFailed(z.failure)
	case !z.loaded:
		a.zygoteFailed(diedLoading(a.options.Python[0], status, z.booted))
	default:
		a.log.Error("zygote died", append([]any{"pid", z.process.pid}, describe(status)...)...)
		a.crashed("the zygote died", status)
		a.restart()
	}
	a.settle()
}

func diedLoading(python string, status int, booted bool) *fault.Error {
	switch exit := exitStatus(status); {
	case !booted && exit == exitNoModule:
		return fault.New(fault.ExtensionMissing, "%s cannot import Speyside, as it says above", python)
	case !booted && exit == exitUsage:
		return fault.New(fault.PythonTooOld, "%s is older than Python 3.11", python)
	}
	how := describe(status)
	return fault.New(fault.ZygoteDied, "the process that loads the application died: %s %v", how[0], how[1])
}

// zygoteFailed ends Run when the application was never there, and tries again later when it was.
func (a *Arbiter) zygoteFailed(err *fault.Error) {
	if !a.wasLoaded {
		a.finish(err)
		return
	}
	a.log.Error("application failed to load", "error", err, "code", err.Fault.Code)
	a.restart()
}

func (a *Arbiter) restart() {
	a.restarting = true
	delay := a.restarts.died(time.Now())
	if delay > 0 {
		a.log.Warn("zygote delayed", "delay", delay)
	}
	a.after(delay, a.startZygote)
}

// scriptEnded ends Run with the script: there is nothing left to serve.
func (a *Arbiter) scriptEnded(z *zygote, f fact) {
	if !a.options.Script || !z.loaded || z.ended {
		a.zygoteMisspoke(z, "ScriptEnded out of place")
		return
	}
	z.ended = true
	a.log.Debug("script ended", "pid", z.process.pid, "status", f.Status)
	if f.Status != 0 {
		a.result = fault.New(fault.ScriptFailed, "the script ended with exit status %d", f.Status)
	}
}
