package speyside

import (
	"slices"

	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// configurationFor returns that of a generation: the one of the start for the first, else what is written now. What cannot change while the
// server runs stays as it is, and the log names it.
func (r *Server) configurationFor(number int) (*config.Config, error) {
	if c := r.first; number == 1 {
		r.first = nil
		return c, nil
	}
	if r.reread == nil {
		return &config.Config{Settings: r.settings()}, nil
	}
	c, err := r.reread()
	if err != nil {
		return nil, err
	}
	if app := c.Settings.Apps[0].WSGIApp; isScript(app) != r.script {
		return nil, fault.New(fault.SettingInvalid, "setting wsgi_app is %q (from %s): a server that runs a script cannot serve a module, nor the other way about",
			app, c.Settings.Source("wsgi_app")).WithHint("start the server anew.")
	}
	for _, kept := range c.Settings.Keep(r.settings()) {
		r.log.Warn("setting not changed: that takes a restart, or an upgrade (USR2)", "setting", kept.Name, "is", kept.Is, "wanted", kept.Wanted, "from", kept.Source)
	}
	r.tell(c.Notes)
	return c, nil
}

// adopt has the settings of the generation that is in service from now on count for the front, too.
func (r *Server) adopt(s *settings.Settings) {
	before := r.current.Swap(s)
	if before == s {
		return
	}
	r.level.Set(s.LogLevel)
	r.configureFront(s)
	if wanted := r.begunWith(s); wanted != r.begunWith(before) {
		go r.ScaleBy(wanted - r.workers()) // not under the lock of who calls
	}
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
