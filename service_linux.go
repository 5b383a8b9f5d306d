package speyside

import (
	"context"
	"fmt"

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
	if r.settings.PidFile != "" {
		if r.managed.pid, err = service.WritePid(r.settings.PidFile, 0); err != nil {
			return err
		}
	}
	if r.activated, err = listen.Activated(); err != nil {
		return fault.New(fault.AddressNotBindable, "the sockets of LISTEN_FDS cannot be listened on: %w", err)
	}
	return nil
}

// watchService keeps the manager's watchdog quiet while every loop answers.
func (r *Server) watchService(ctx context.Context) {
	r.managed.notifier.Status("Loading " + r.settings.App)
	go r.managed.notifier.Watch(ctx, r.front.Live)
}

func (m *managed) close() {
	if m.pid != nil {
		m.pid.Remove()
	}
	if m.notifier != nil {
		m.notifier.Close()
	}
}

// tellServing says that the application is there.
func (r *Server) tellServing() { r.managed.notifier.Ready("Serving " + r.settings.App) }

// reloadBegan and reloadSettled tell the manager of a reload. It counts as one until it is known what became of it.
func (r *Server) reloadBegan(number int) {
	r.managed.notifier.Reloading(fmt.Sprintf("Serving %s, loading generation %d", r.settings.App, number))
}

func (r *Server) reloadSettled(o generation.Outcome) {
	text := fmt.Sprintf("Serving %s, generation %d", r.settings.App, o.Generation)
	if o.Error != "" {
		text = fmt.Sprintf("Serving %s; generation %d failed: %s", r.settings.App, o.Generation, o.Error)
	}
	r.managed.notifier.Ready(text)
}
