//go:build linux

package front

import (
	"log/slog"
	"sync"
	"time"
)

const (
	droppedPerMinute = 10   // names told
	droppedKnown     = 1000 // names remembered; they are the clients' to choose
)

// dropped tells the operator of headers that were left out because of an underscore: each name once, and no more than
// droppedPerMinute, however many a client thinks of.
type dropped struct {
	mu     sync.Mutex
	known  map[string]struct{}
	minute int64
	told   int
	untold int
}

// tell logs name unless it was logged before; n is how many fields of the request were left out.
func (d *dropped) tell(log *slog.Logger, name string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if minute := time.Now().Unix() / 60; minute != d.minute {
		if d.untold > 0 {
			log.Info("headers dropped", "more", d.untold, "setting", "header_map")
		}
		d.minute, d.told, d.untold = minute, 0, 0
	}
	if _, known := d.known[name]; known {
		return
	}
	if d.told == droppedPerMinute {
		d.untold += n
		return
	}
	if d.known == nil || len(d.known) == droppedKnown {
		d.known = map[string]struct{}{}
	}
	d.known[name] = struct{}{}
	d.told++
	log.Info("header dropped", "name", name, "why", "its name has an underscore", "setting", "header_map")
}
