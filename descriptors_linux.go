package speyside

import "golang.org/x/sys/unix"

// ownDescriptors is what the front needs besides those of connections and workers: listeners, epolls, the log, and some to spare.
const ownDescriptors = 64

// connections is max_connections, or as many of them as the limit on descriptors leaves room for. The Go runtime has raised
// the soft limit to the hard one when the program started; what it starts has the soft one that it found.
func (r *server) connections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		r.log.Warn("descriptor limit not known", "error", err)
		return r.settings.MaxConnections
	}
	most, need := fitting(limit.Cur, r.settings.MaxConnections, ownDescriptors+4*(r.workers()+r.settings.Loops)+len(r.settings.Bind))
	if most < r.settings.MaxConnections {
		r.log.Warn("descriptor limit too low", "limit", limit.Cur, "needed", need, "max_connections", r.settings.MaxConnections,
			"taken", most, "hint", "raise the hard limit (ulimit -Hn, LimitNOFILE= in systemd) or lower max_connections")
	}
	return most
}

// fitting is how many of the wanted connections a limit on descriptors allows beside the server's own, at least half of
// it; and what all of them would need.
func fitting(limit uint64, wanted, own int) (most, need int) {
	need = wanted + own
	if limit >= uint64(need) {
		return wanted, need
	}
	return min(wanted, max(1, int(limit)/2, int(limit)-own)), need
}
