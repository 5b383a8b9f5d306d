package speyside

import (
	"strings"
	"time"

	"speyside.dev/speyside/internal/accesslog"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/observe"
)

// logPatience is how long the end of the server waits until the last lines of the access log are written.
const logPatience = time.Second

// logs are the files that the server writes of its own.
type logs struct {
	access *front.AccessLog // nil: there is none
}

// openLogs opens them before anything else that may have to be told.
func (r *Server) openLogs() error {
	s := r.settings()
	if s.AccessLog == "" || r.first.LogsRequests {
		return nil
	}
	format, err := accesslog.Compile(s.AccessLogFormat)
	if err != nil {
		return fault.New(fault.SettingInvalid, "setting access_log_format: %w", err)
	}
	if unknown := format.Unknown(); len(unknown) > 0 {
		r.log.Warn("access log has hyphens", "atoms", strings.Join(unknown, " "), "why", "the server does not know such a thing of a request",
			"setting", "access_log_format")
	}
	sink, err := observe.OpenSink("access log", s.AccessLog, r.log)
	if err != nil {
		return fault.New(fault.SettingInvalid, "setting accesslog is %q (from %s): %w", s.AccessLog, s.Source("accesslog"), err)
	}
	r.logs.access = &front.AccessLog{Format: format, Sink: sink, Boot: r.boot}
	return nil
}

// ReopenLogs has what is logged from now on written to the files that have the names of the logs now.
func (r *Server) ReopenLogs() {
	if r.logs.access != nil {
		r.logs.access.Sink.Reopen()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.loads {
		l.arbiter.ReopenLogs()
	}
}

// closeLogs writes what there is of the access log. The loops have ended.
func (r *Server) closeLogs() {
	if r.logs.access != nil {
		r.logs.access.Sink.Close(logPatience)
	}
}
