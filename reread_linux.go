package speyside

import (
	"context"
	"slices"
	"sync"

	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// preparing is the configuration of the next generation while it is read, which may take its time.
type preparing struct {
	mu   sync.Mutex
	stop context.CancelFunc // nil when none is read
	busy sync.WaitGroup     // while one is read
	over bool               // none is wanted any more
	read *config.Config
	err  error
}

// prepare reads the configuration for the next generation. What it returns throws it away.
func (r *Server) prepare(int) (discard func()) {
	p := &r.preparing
	ctx, begun := p.begin()
	if !begun {
		return func() {}
	}
	defer p.busy.Done()
	read, err := r.readAgain(ctx)
	p.mu.Lock()
	p.stop()
	p.stop, p.read, p.err = nil, read, err
	over := p.over
	p.mu.Unlock()
	if over {
		p.discard()
	}
	return p.discard
}

func (p *preparing) begin() (context.Context, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil, false
	}
	p.busy.Add(1)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	return ctx, true
}

// prepared returns what prepare has read; once the server ends there is nothing.
func (p *preparing) prepared() (*config.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	read, err := p.read, p.err
	p.read, p.err = nil, nil
	if read == nil && err == nil {
		err = fault.New(fault.ReloadFailed, "the server stops")
	}
	return read, err
}

// discard throws away what was read, if nobody has taken it.
func (p *preparing) discard() {
	if read, err := p.prepared(); err == nil {
		_ = read.Close() // an error of that helps nobody
	}
}

// end stops what is read, and returns when the process that does it is gone: the server ends.
func (p *preparing) end() {
	p.mu.Lock()
	if p.over = true; p.stop != nil {
		p.stop()
	}
	p.mu.Unlock()
	p.busy.Wait()
	p.discard()
}

// readAgain returns what is written now. What cannot change while the server runs stays as it is, and the log names it.
func (r *Server) readAgain(ctx context.Context) (*config.Config, error) {
	if r.reread == nil {
		return &config.Config{Settings: r.settings()}, nil
	}
	c, err := r.reread(ctx)
	if err != nil {
		return nil, err
	}
	if app := c.Settings.Apps[0].WSGIApp; isScript(app) != r.script {
		_ = c.Close() // no error says more than this one
		return nil, fault.New(fault.SettingInvalid, "setting wsgi_app is %q (from %s): a server that runs a script cannot serve a module, nor the other way about",
			app, c.Settings.Source("wsgi_app")).WithHint("start the server anew.")
	}
	for _, kept := range c.Settings.Keep(r.settings()) {
		r.log.Warn("setting not changed: that takes a restart, or an upgrade (USR2)", "setting", kept.Name, "is", kept.Is, "wanted", kept.Wanted, "from", kept.Source)
	}
	if app := c.Settings.Apps[0].WSGIApp; c.Found != nil && app != r.settings().Apps[0].WSGIApp {
		r.log.Info("application found", "app", app, "why", c.Found.Why)
	}
	r.tell(c.Notes)
	return c, nil
}

// configurationFor returns the configuration of a generation: that of the start for the first, else what was prepared for it.
func (r *Server) configurationFor(number int) (*config.Config, error) {
	if c := r.first; number == 1 {
		r.first = nil
		return c, nil
	}
	return r.preparing.prepared()
}

// adopt has the settings of the generation that is in service from now on count for the front, too.
func (r *Server) adopt(s *settings.Settings) {
	before := r.current.Swap(s)
	if before == s {
		return
	}
	r.level.Set(s.LogLevel)
	r.configureFront(s)
	go r.rescale() // not under the lock of who calls
}

// tell logs what the reading of the configuration noted.
func (r *Server) tell(notes []config.Note) {
	for _, note := range notes {
		if fields := slices.Clone(note.Fields); note.Warn {
			r.log.Warn(note.Text, fields...)
		} else {
			r.log.Info(note.Text, fields...)
		}
	}
}
