//go:build linux

package arbiter

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"

	"speyside.dev/speyside/internal/cgroup"
)

// A process that has died has no memory left to look at, so that of each worker is sampled while it lives.

const (
	sampleEvery = time.Second
	// killExplains is how long a kill for want of memory may be before the death that it explains: a large process takes its time to end.
	killExplains = 5 * time.Second
)

// sample notes how much memory each worker has.
func (a *Arbiter) sample() {
	for _, at := range a.places {
		if w := at.worker; w != nil && w.process != nil && !w.dead {
			if rss := resident(w.pid); rss > 0 { // one that is about to be noticed dead has none
				w.rss = rss
				a.weigh(w)
			}
		}
	}
	if a.options.Memory != nil {
		a.options.Memory.look(time.Now())
	}
}

// resident returns how many bytes of a process are in RAM, 0 when it has none or is gone.
func resident(pid int) int64 {
	statm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// Memory tells whether the kernel has killed a process for want of memory. One server has one, which all its arbiters share.
type Memory struct {
	mu          sync.Mutex
	group       cgroup.Memory
	known       bool
	seen        int // kills at the last look
	unexplained int // kills that explain no death yet
	last        time.Time
}

// NewMemory returns the memory of this process's control group; root is the root of the file system.
func NewMemory(root fs.FS) *Memory {
	m := &Memory{}
	m.group, m.known = cgroup.FindMemory(root)
	m.seen, _ = m.group.Kills()
	return m
}

// look notes the kills since the last time. What explained nothing in killExplains was another process of the group.
func (m *Memory) look(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(now)
}

func (m *Memory) count(now time.Time) {
	if !m.known {
		return
	}
	if now.Sub(m.last) > killExplains {
		m.unexplained = 0
	}
	if n, known := m.group.Kills(); known && n != m.seen {
		m.unexplained, m.last = m.unexplained+max(0, n-m.seen), now
		m.seen = n
	}
}

// explain says whether a SIGKILL that we did not send was the kernel's for want of memory. One kill explains one death.
func (m *Memory) explain(now time.Time) string {
	if m == nil || !m.known {
		return "whether the kernel killed it for want of memory cannot be known: no cgroup of this server counts that"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count(now); m.unexplained == 0 {
		return "killed by another process; the kernel has killed nothing in cgroup " + m.group.Name() + " for want of memory"
	}
	m.unexplained--
	limit := "which has no limit: the whole machine ran out of it"
	if bytes, limited := m.group.Limit(); limited {
		limit = "which may have " + size(bytes)
	}
	return "killed by the kernel for want of memory in cgroup " + m.group.Name() + ", " + limit
}

// size tells a number of bytes as people read it.
func size(bytes int64) string { return fmt.Sprintf("%.1fMiB", float64(bytes)/(1<<20)) }
