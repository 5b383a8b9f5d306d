package settings

import (
	"fmt"
	"io/fs"
	"math"

	"speyside.dev/speyside/internal/cgroup"
)

// cgroupCPUs returns how many CPUs the cgroup of this process grants, rounded up, or have if it sets no lower quota.
// root is the root of the file system. The quotas of all the cgroups above count too.
func cgroupCPUs(root fs.FS, have int) int {
	granted := float64(have)
	for _, group := range cgroup.Find(root, "cpu") {
		quota := quotaV1
		if group.Unified {
			quota = quotaV2
		}
		for _, dir := range group.Dirs {
			granted = min(granted, quota(root, dir))
		}
	}
	return max(1, int(math.Ceil(granted)))
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
