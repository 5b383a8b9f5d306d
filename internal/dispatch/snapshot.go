//go:build linux

package dispatch

// What a port tells of itself. Nothing here changes anything.

// Saturated reports that a request which came now would have to wait for a slot.
func (p *Port) Saturated() bool { return len(p.free) == 0 || len(p.waiting) > 0 }
