//go:build linux

package control

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"speyside.dev/speyside/internal/listen"
)

const (
	// mostChecks bounds the health checks that are under way at once on one address.
	mostChecks = 32
	// loopPatience is how long an event loop may take to answer before it counts as hanging.
	loopPatience = time.Second
)

// HealthOptions say what health checks ask for, and whom to ask.
type HealthOptions struct {
	LivePath, ReadyPath string
	// Live reports whether every event loop answers before the end of ctx.
	Live func(ctx context.Context) bool
	// Unready says why the server is not ready, or "".
	Unready func(ctx context.Context) string
	Log     *slog.Logger
}

// Health answers health checks on an address of their own, and nothing else.
type Health struct {
	listener *listen.Listener
	server   *server
}

// ServeHealth answers health checks on a listener, from then on.
func ServeHealth(l *listen.Listener, options HealthOptions) (*Health, error) {
	listener, err := accepting(l)
	if err != nil {
		return nil, err
	}
	s := newServer(listener, func() { _ = l.Close() }, mostChecks, options.Log)
	s.answer = options.answer
	go s.run()
	return &Health{listener: l, server: s}, nil
}

// Disown leaves the path of a Unix socket to somebody else, who answers from now on.
func (h *Health) Disown() { h.listener.Disown() }

// Close ends it.
func (h *Health) Close() { h.server.close() }

func (o *HealthOptions) answer(ctx context.Context, q request) reply {
	ctx, cancel := context.WithTimeout(ctx, loopPatience)
	defer cancel()
	why := ""
	switch {
	case q.path != o.LivePath && q.path != o.ReadyPath:
		return reply{status: 404, body: fmt.Appendf(nil, "There are health checks here and nothing else: %s and %s.\n", o.LivePath, o.ReadyPath)}
	case q.method != "GET" && q.method != "HEAD":
		return reply{status: 405, allow: "GET, HEAD", body: []byte("A health check is a GET or a HEAD.\n")}
	case q.path == o.ReadyPath:
		why = o.Unready(ctx)
	case !o.Live(ctx):
		why = "an event loop does not answer"
	}
	switch {
	case why == "":
		return reply{status: 200, body: []byte("ok\n")}
	case q.path == o.ReadyPath:
		return reply{status: 503, body: []byte("not ready: " + why + "\n")}
	}
	return reply{status: 503, body: []byte("not live: " + why + "\n")}
}
