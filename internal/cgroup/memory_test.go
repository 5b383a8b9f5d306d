package cgroup

import (
	"testing"
	"testing/fstest"
)

func tree(files ...string) fstest.MapFS {
	fs := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		fs[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return fs
}

const (
	mountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountV1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	events = "low 0\nhigh 3\nmax 17\noom 2\noom_kill 2\noom_group_kill 0\n"
)

func TestMemoryOfTheGroupIsFound(t *testing.T) {
	for _, c := range []struct {
		name    string
		kills   int
		limit   int64
		limited bool
		root    fstest.MapFS
	}{
		{"v2, the limit is above", 2, 1 << 28, true, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a.slice/b\n",
			"sys/fs/cgroup/a.slice/b/memory.events", events, "sys/fs/cgroup/a.slice/b/memory.max", "max\n",
			"sys/fs/cgroup/a.slice/memory.max", "268435456\n", "sys/fs/cgroup/memory.max", "1073741824\n")},
		{"v2 in a container", 0, 0, false, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/memory.events", "oom_kill 0\n", "sys/fs/cgroup/memory.max", "max\n")},
		{"v1 beside an empty v2", 5, 1 << 27, true, tree("proc/self/mountinfo", mountV1, "proc/self/cgroup", "4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "134217728\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")},
	} {
		m, found := FindMemory(c.root)
		if !found {
			t.Errorf("%s: not found", c.name)
			continue
		}
		kills, _ := m.Kills()
		limit, limited := m.Limit()
		if kills != c.kills || limit != c.limit || limited != c.limited {
			t.Errorf("%s: %d kills, limit %d %v; want %d, %d %v", c.name, kills, limit, limited, c.kills, c.limit, c.limited)
		}
	}
}

func TestMemoryThatNobodyCountsIsNotFound(t *testing.T) {
	for name, root := range map[string]fstest.MapFS{
		"no cgroups":               tree(),
		"the root of the machine":  tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n"),
		"not mounted":              tree("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.events", events),
		"a count that is no count": tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.events", "oom_kill x\n"),
	} {
		if m, found := FindMemory(root); found {
			t.Errorf("%s: found %v", name, m)
		}
	}
}

func TestMemoryThatIsLeftIsThatOfTheTightestGroup(t *testing.T) {
	for _, c := range []struct {
		name        string
		left, limit int64
		limited     bool
		root        fstest.MapFS
	}{
		{"v2, its own limit", 1000 - 700 + 50, 1000, true, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a\n",
			"sys/fs/cgroup/a/memory.events", events, "sys/fs/cgroup/a/memory.max", "1000\n", "sys/fs/cgroup/a/memory.current", "700\n",
			"sys/fs/cgroup/a/memory.stat", "anon 600\ninactive_file 50\nactive_file 30\n")},
		{"v2, others of the group above have it all", -100, 5000, true, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.events", events, "sys/fs/cgroup/a/b/memory.max", "1000\n", "sys/fs/cgroup/a/b/memory.current", "700\n",
			"sys/fs/cgroup/a/memory.max", "5000\n", "sys/fs/cgroup/a/memory.current", "5100\n")},
		{"v2 without a limit", 0, 0, false, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a\n",
			"sys/fs/cgroup/a/memory.events", events, "sys/fs/cgroup/a/memory.max", "max\n", "sys/fs/cgroup/a/memory.current", "700\n")},
		{"v2 without a count", 0, 0, false, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a\n",
			"sys/fs/cgroup/a/memory.events", events, "sys/fs/cgroup/a/memory.max", "1000\n")},
		{"v1", 1000 - 700 + 60, 1000, true, tree("proc/self/mountinfo", mountV1, "proc/self/cgroup", "4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill 0\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n",
			"sys/fs/cgroup/memory/a/memory.usage_in_bytes", "700\n", "sys/fs/cgroup/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 60\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes", "70000\n")},
	} {
		m, found := FindMemory(c.root)
		left, limit, limited := m.Left()
		if !found || left != c.left || limit != c.limit || limited != c.limited {
			t.Errorf("%s: %d of %d left, %v; want %d of %d, %v", c.name, left, limit, limited, c.left, c.limit, c.limited)
		}
	}
}
