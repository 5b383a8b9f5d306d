package settings

import (
	"fmt"
	"io/fs"
	"math"

	"speyside.dev/speyside/internal/cgroup"
)

// WorkerMemory is what a worker is reckoned with where the cgroup limits memory: a Django application of some size.
const WorkerMemory = 128 << 20

// machine is what `auto` reckons with.
type machine struct {
	have    int     // CPUs that this process may run on
	granted float64 // of them, by the quotas of its cgroup and those above
	memory  int64   // in bytes, the limit of its cgroup; 0: none
}

// thisMachine looks at it. root is the root of the file system.
func thisMachine(root fs.FS, have int) machine {
	m := machine{have: have, granted: float64(have)}
	for _, group := range cgroup.Find(root, "cpu") {
		quota := quotaV1
		if group.Unified {
			quota = quotaV2
		}
		for _, dir := range group.Dirs {
			m.granted = min(m.granted, quota(root, dir))
		}
	}
	if group, found := cgroup.FindMemory(root); found {
		m.memory, _ = group.Limit()
	}
	return m
}

// cpus is how many CPUs are granted, rounded up.
func (m machine) cpus() int { return max(1, int(math.Ceil(m.granted))) }

// workers is how many workers use what is granted, and how that was reckoned.
func (m machine) workers() (n int, how string) {
	n, how = m.cpus(), plural(m.cpus(), "CPU")
	if m.granted < float64(m.have) {
		how = fmt.Sprintf("%.1f CPUs of cgroup quota", m.granted)
	}
	if room := max(1, int(m.memory/WorkerMemory)); m.memory > 0 && room < n {
		return room, fmt.Sprintf("%s, but %d MB of cgroup memory at %d MB each", how, m.memory>>20, WorkerMemory>>20)
	}
	return n, how
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func quotaV2(root fs.FS, dir string) float64 {
	var quota, period float64
	if n, _ := fmt.Sscan(cgroup.Text(root, dir+"/cpu.max"), &quota, &period); n == 2 && quota > 0 && period > 0 {
		return quota / period
	}
	return math.Inf(1) // "max 100000", or no file
}

func quotaV1(root fs.FS, dir string) float64 {
	var quota, period float64
	fmt.Sscan(cgroup.Text(root, dir+"/cpu.cfs_quota_us"), &quota)
	fmt.Sscan(cgroup.Text(root, dir+"/cpu.cfs_period_us"), &period)
	if quota > 0 && period > 0 {
		return quota / period
	}
	return math.Inf(1) // -1: no quota
}
