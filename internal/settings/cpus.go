package settings

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"
)

// cgroupCPUs returns how many CPUs the cgroup of this process grants, rounded up, or have if it sets no lower quota.
// root is the root of the file system: /proc/self says which cgroup and where it is mounted. The quotas of all the
// cgroups above count too.
func cgroupCPUs(root fs.FS, have int) int {
	granted := float64(have)
	mounts := readText(root, "proc/self/mountinfo")
	for _, line := range strings.Split(readText(root, "proc/self/cgroup"), "\n") {
		parts := strings.SplitN(line, ":", 3) // hierarchy:controllers:path
		if len(parts) != 3 {
			continue
		}
		quota := quotaV1
		if parts[1] == "" {
			quota = quotaV2
		} else if !hasWord(parts[1], "cpu") {
			continue
		}
		mountRoot, mountPoint := cgroupMount(mounts, parts[1] == "")
		if mountPoint == "" {
			continue
		}
		below, inside := strings.CutPrefix(parts[2], strings.TrimSuffix(mountRoot, "/"))
		if !inside {
			below = "" // a container that sees the host's path but only its own part of the tree
		}
		top := strings.TrimPrefix(mountPoint, "/")
		for dir := path.Join(top, below); ; dir = path.Dir(dir) {
			granted = min(granted, quota(root, dir))
			if len(dir) <= len(top) {
				break
			}
		}
	}
	return max(1, int(math.Ceil(granted)))
}

// cgroupMount finds the mount of the unified hierarchy or of the cpu controller: which part of it, and where.
func cgroupMount(mountinfo string, unified bool) (root, point string) {
	for _, line := range strings.Split(mountinfo, "\n") {
		before, after, ok := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(kind) < 3 {
			continue
		}
		if unified && kind[0] == "cgroup2" || !unified && kind[0] == "cgroup" && hasWord(kind[2], "cpu") {
			return mount[3], mount[4]
		}
	}
	return "", ""
}

func quotaV2(root fs.FS, dir string) float64 {
	var quota, period float64
	if n, _ := fmt.Sscan(readText(root, dir+"/cpu.max"), &quota, &period); n == 2 && quota > 0 && period > 0 {
		return quota / period
	}
	return math.Inf(1) // "max 100000", or no file
}

func quotaV1(root fs.FS, dir string) float64 {
	var quota, period float64
	fmt.Sscan(readText(root, dir+"/cpu.cfs_quota_us"), &quota)
	fmt.Sscan(readText(root, dir+"/cpu.cfs_period_us"), &period)
	if quota > 0 && period > 0 {
		return quota / period
	}
	return math.Inf(1) // -1: no quota
}

// readText returns the file's text, or "" when it cannot be read: on a system without it there is no quota.
func readText(root fs.FS, name string) string {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(text)
}

// hasWord reports whether word is one of the words of list, which commas separate.
func hasWord(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }
