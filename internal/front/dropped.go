//go:build linux

package front

import (
	"log/slog"
	"sync"
)

// droppedKnown is how many names are remembered; they are the clients' to choose.
const droppedKnown = 1000

// dropped tells the operator of headers that were left out because of an underscore: each name once, and no more than
// perMinute, however many a client thinks of.
type dropped struct {
	mu    sync.Mutex
	known map[string]struct{}
	quota quota
}

// tell logs name unless it was logged before; n is how many fields of the request were left out.
func (d *dropped) tell(log *slog.Logger, name string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if untold := d.quota.turn(); untold > 0 {
		log.Info("headers dropped", "more", untold, "setting", "header_map")
	}
	if _, known := d.known[name]; known || !d.quota.take(n) {
		return
	}
	if d.known == nil || len(d.known) == droppedKnown {
		d.known = map[string]struct{}{}
	}
	d.known[name] = struct{}{}
	log.Info("header dropped", "name", name, "why", "its name has an underscore", "setting", "header_map")
}
