//go:build linux

package front

import (
	"bytes"
	"slices"
	"time"
)

// Route is what is different for the paths that begin with a prefix.
type Route struct {
	Prefix        string        // of the path as the application sees it, decoded; empty for all
	StreamRequest bool          // hand a request over when its head is complete
	LimitBody     int64         // largest body in bytes; 0 for any
	Timeout       time.Duration // for the application to answer, and from block to block; 0 for any
}

// routes chooses the route of a request.
type routes struct {
	root []byte  // where the application is mounted; not part of the paths it sees
	all  []Route // by falling length of their prefixes; the last one is that of all paths
}

func newRoutes(root string, given []Route, rest Route) routes {
	all := append(slices.Clone(given), rest)
	slices.SortStableFunc(all, func(a, b Route) int { return len(b.Prefix) - len(a.Prefix) })
	return routes{[]byte(root), all}
}

// find returns the route of a path as it was received; root is not part of what the application sees of it. Decoding it is worth it only
// where there is a choice.
func (r *routes) find(path []byte, escaped bool, root []byte) *Route {
	last := &r.all[len(r.all)-1]
	if len(r.all) == 1 {
		return last
	}
	if escaped {
		path = unescape(path)
	}
	if below, ok := bytes.CutPrefix(path, root); ok && (len(below) == 0 || below[0] == '/') {
		path = below
	}
	for i := range r.all {
		if bytes.HasPrefix(path, []byte(r.all[i].Prefix)) {
			return &r.all[i]
		}
	}
	return last
}

// unescape decodes percent signs as ext/environ.c does: what is no escape stays as it is.
func unescape(path []byte) []byte {
	decoded := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			high, low := hex(path[i+1]), hex(path[i+2])
			if high >= 0 && low >= 0 {
				decoded = append(decoded, byte(high<<4|low))
				i += 2
				continue
			}
		}
		decoded = append(decoded, path[i])
	}
	return decoded
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
