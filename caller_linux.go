package speyside

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

const (
	// callerIdle is how long a caller that closes its server waits for clients that are idle.
	callerIdle = 20 * time.Millisecond
	// callerGrace is how long what a caller has answered may take to reach its clients when the caller has ended.
	callerGrace = time.Second
)

// NewForCaller prepares the front of a process that serves in threads of its own, and is at the other end of control. It ends when that
// process does, or wants it to.
func NewForCaller(s *settings.Settings, control *os.File) (*Server, error) {
	if a := s.Apps[0]; a.WorkersMin+a.WorkersMax > 0 {
		return nil, fault.New(fault.SettingInvalid, "workers_min and workers_max are for servers that have workers: this process serves by itself").
			WithHint("name the application to speyside, or to speyside.serve(), for a server of its own.")
	}
	nothing := func(context.Context) (*config.Config, error) {
		return nil, errors.New("a front of a process's own is not reloaded")
	}
	return build(&config.Config{Settings: s}, nothing, func(Started) {}, control)
}

// RefuseCaller tells a caller why it has no front. It reports whether the caller could be told.
func RefuseCaller(control *os.File, err error) bool {
	refused := arbiter.Refused{Text: err.Error(), Hint: fault.Hint(err)}
	if f := fault.Of(err); f != nil {
		refused.Code = f.Code
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		refused.Errno = int(errno)
	}
	return arbiter.RefuseCaller(control, refused) == nil
}

// callerOptions is how the arbiter talks with the caller, where there is one.
func (r *Server) callerOptions() *arbiter.Caller {
	if r.caller == nil {
		return nil
	}
	return &arbiter.Caller{Control: r.caller, Left: r.Drain}
}

// flush gives what a caller has answered the time to get out: it ends without waiting for that.
func (r *Server) flush() {
	if r.caller == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callerGrace)
	defer cancel()
	_ = r.front.Drain(ctx) // what is late is cut
}

// drainIdle is how long an idle connection is kept while draining: as long as ever, but that a caller waits for it.
func (r *Server) drainIdle() time.Duration {
	if r.caller == nil {
		return 0
	}
	return callerIdle
}
