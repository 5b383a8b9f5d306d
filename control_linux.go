package speyside

import (
	"context"

	"speyside.dev/speyside/internal/control"
	"speyside.dev/speyside/internal/listen"
)

// watched is how the server is asked about itself.
type watched struct {
	health []*control.Health
}

// openHealth listens for health checks where nothing of the application is served.
func (r *Server) openHealth(ctx context.Context) error {
	s := r.settings
	options := control.HealthOptions{LivePath: s.LivePath, ReadyPath: s.ReadyPath, Live: r.front.Live, Unready: r.front.Unready, Log: r.log}
	for _, a := range s.AdminBind {
		address := listen.Address{Host: a.Host, Port: a.Port, Path: a.Path}
		health, err := control.OpenHealth(ctx, address, r.listening(), options)
		if err != nil {
			return notListening(address, err)
		}
		r.watched.health = append(r.watched.health, health)
		r.log.Info("health checks answered", "address", url(health.Address), "live", s.LivePath, "ready", s.ReadyPath)
	}
	return nil
}

// close ends it, after all that there was to say of the server.
func (w *watched) close() {
	for _, h := range w.health {
		h.Close()
	}
}
