package speyside

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"speyside.dev/speyside/internal/accesslog"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/observe"
	"speyside.dev/speyside/internal/settings"
)

// logPatience is how long the end of the server waits until the last lines of its logs are written.
const logPatience = time.Second

// logs are the files that the server writes of its own.
type logs struct {
	access  *front.AccessLog // nil: there is none
	file    *observe.LogFile // of the error log; nil: it is standard error
	syslog  *observe.Syslog  // nil: nothing is sent there
	relay   *observe.Relay   // nil: what Python has for the log goes to standard error as well, as it is
	log     *slog.Logger     // the error log, where it is another than text on standard error
	capture bool             // what the application prints is for the error log
	machine bool             // standard error is for programs to read
}

// openLogs opens them before anything else that may have to be told.
func (r *Server) openLogs() error {
	if err := r.openErrorLog(); err != nil {
		return err
	}
	return r.openAccessLog()
}

// openErrorLog has the log written to the file, and in the form, that the settings name.
func (r *Server) openErrorLog() (err error) {
	s, json := r.settings(), r.settings().LogFormat == settings.LogJSON
	if s.ErrorLog == settings.Standard && !json && !s.Syslog {
		return nil
	}
	var to, raw io.Writer = os.Stderr, nil
	if s.ErrorLog != settings.Standard {
		if r.logs.file, err = observe.OpenLogFile(s.ErrorLog); err != nil {
			return fault.New(fault.SettingInvalid, "setting errorlog is %q (from %s): %w", s.ErrorLog, s.Source("errorlog"), err)
		}
		to = r.logs.file
	}
	handler := observe.NewHandler(to, r.level)
	if json {
		handler = observe.NewJSONHandler(to, r.level)
	} else {
		raw = to
	}
	r.log = slog.New(handler)
	if s.Syslog {
		target := s.SyslogTarget()
		r.logs.syslog = observe.OpenSyslog(target.Networks, target.Address, target.Facility, target.Tag, r.log)
		r.log = slog.New(slog.NewMultiHandler(handler, r.logs.syslog.Handler(r.level)))
	}
	r.logs.log, r.logs.capture, r.logs.machine = r.log, s.CaptureOutput && (json || r.logs.file != nil), json && r.logs.file == nil
	if r.logs.relay, err = observe.NewRelay(r.log, raw); err != nil {
		return fault.New(fault.SegmentNotMade, "%w", err)
	}
	return nil
}

func (r *Server) openAccessLog() error {
	s := r.settings()
	if len(s.AccessLogOnly) > 0 && r.first.LogsRequests {
		r.log.Warn("access log has every request", "why", "the configuration's own loggers write it", "setting", "access_log_only")
	}
	also := r.logs.accessToSyslog(s)
	if s.AccessLog == "" && also == nil || r.first.LogsRequests {
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
	sink, err := observe.OpenSinkBeside("access log", s.AccessLog, r.log, also)
	if err != nil {
		return fault.New(fault.SettingInvalid, "setting accesslog is %q (from %s): %w", s.AccessLog, s.Source("accesslog"), err)
	}
	r.logs.access = &front.AccessLog{Format: format, Only: s.Logged(), Sink: sink, Boot: r.boot}
	return nil
}

// accessToSyslog is what sends lines of the access log to syslog, or nil.
func (l *logs) accessToSyslog(s *settings.Settings) func(line []byte) {
	if l.syslog == nil || s.DisableRedirectAccessToSyslog {
		return nil
	}
	return l.syslog.Line
}

// files are what workers write to the log with.
func (l *logs) files() []*os.File {
	if l.relay == nil {
		return nil
	}
	return l.relay.Files()
}

// traceback tells why an application was not loaded, for a person.
func (l *logs) traceback(text string) {
	if l.log == nil {
		fmt.Fprint(os.Stderr, text)
		return
	}
	l.log.Error("application raised while it was loaded", observe.Text(text))
}

func (l *logs) closeFile() {
	if l.syslog != nil {
		l.syslog.Close(logPatience)
	}
	if l.file != nil {
		_ = l.file.Close()
	}
}

// ReopenLogs has what is logged from now on written to the files that have the names of the logs now.
func (r *Server) ReopenLogs() {
	if file := r.logs.file; file != nil {
		if err := file.Reopen(); err != nil {
			r.log.Error("error log not reopened", "error", err, "effect", "records go to the file that was open before")
		} else {
			r.log.Info("error log reopened", "path", file.Path())
		}
	}
	if r.logs.access != nil {
		r.logs.access.Sink.Reopen()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.loads {
		l.arbiter.ReopenLogs()
	}
}

// closeLogs writes what there is left. The loops have ended, and so have workers.
func (r *Server) closeLogs() error {
	var errs []error
	if r.logs.access != nil {
		r.logs.access.Sink.Close(logPatience)
	}
	if r.logs.relay != nil {
		errs = append(errs, r.logs.relay.Close(logPatience))
	}
	return errors.Join(errs...)
}
