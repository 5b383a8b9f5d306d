package settings

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
	mountV1 = "31 23 0:27 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n" +
		"32 23 0:28 /docker/ab /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n"
)

func TestAutoWorkersAreTheGrantedCPUs(t *testing.T) {
	for _, c := range []struct {
		name string
		want int
		root fstest.MapFS
	}{
		{"no cgroups", 8, tree()},
		{"v2 without a quota", 8, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a\n", "sys/fs/cgroup/a/cpu.max", "max 100000\n")},
		{"v2 in a container", 2, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.max", "150000 100000\n")},
		{"v2, the quota is above", 3, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/a.slice/b/c\n",
			"sys/fs/cgroup/a.slice/cpu.max", "300000 100000\n", "sys/fs/cgroup/a.slice/b/c/cpu.max", "max 100000\n")},
		{"v2, a sliver", 1, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.max", "1000 100000\n")},
		{"v2, more than there are", 8, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.max", "6400000 100000\n")},
		{"v2, torn", 8, tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\nx", "sys/fs/cgroup/cpu.max", "0 0\n")},
		{"v1 in a container", 4, tree("proc/self/mountinfo", mountV1, "proc/self/cgroup", "5:cpuset:/docker/ab\n4:cpu,cpuacct:/docker/ab\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "350000\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")},
		{"v1 without a quota", 8, tree("proc/self/mountinfo", mountV1, "proc/self/cgroup", "4:cpu,cpuacct:/\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")},
	} {
		if got, _ := thisMachine(c.root, 8).workers(); got != c.want {
			t.Errorf("%s: %d CPUs, want %d", c.name, got, c.want)
		}
	}
}

func TestLoopsGrowWithTheCPUs(t *testing.T) {
	for cpus, want := range map[int]int{1: 1, 8: 1, 15: 1, 16: 2, 64: 8} {
		s, err := resolver{Sources{Flags: anApp}, machine{have: cpus, granted: float64(cpus)}}.resolve()
		if err != nil || s.Loops != want {
			t.Errorf("%d CPUs: %d loops, want %d (%v)", cpus, s.Loops, want, err)
		}
	}
}

func TestAutoSaysHowItCameToSoManyWorkers(t *testing.T) {
	for _, c := range []struct {
		machine machine
		want    int
		how     string
	}{
		{machine{have: 4, granted: 4}, 4, "4 CPUs"},
		{machine{have: 1, granted: 1}, 1, "1 CPU"},
		{machine{have: 8, granted: 1.5}, 2, "1.5 CPUs of cgroup quota"},
		{machine{have: 8, granted: 8, memory: 2 << 30}, 8, "8 CPUs"},
		{machine{have: 8, granted: 8, memory: 512 << 20}, 4, "8 CPUs, but 512 MB of cgroup memory at 128 MB each"},
		{machine{have: 8, granted: 2, memory: 64 << 20}, 1, "2.0 CPUs of cgroup quota, but 64 MB of cgroup memory at 128 MB each"},
	} {
		s, err := resolver{Sources{Flags: anApp}, c.machine}.resolve()
		if err != nil || s.Apps[0].Workers != c.want || s.Apps[0].Reckoned() != c.how {
			t.Errorf("%+v: %d workers, %q, want %d, %q (%v)", c.machine, s.Apps[0].Workers, s.Apps[0].Reckoned(), c.want, c.how, err)
		}
	}
	four := Layer{"wsgi_app": anApp["wsgi_app"], "workers": {[]string{"4"}, "--workers"}}
	s, err := resolver{Sources{Flags: four}, machine{have: 4, granted: 4}}.resolve()
	if err != nil || s.Apps[0].Reckoned() != "" {
		t.Errorf("%q, %v", s.Apps[0].Reckoned(), err)
	}
}

func TestLimitOnMemoryIsThatOfTheCgroup(t *testing.T) {
	root := tree("proc/self/mountinfo", mountV2, "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.max", "max 100000\n",
		"sys/fs/cgroup/memory.events", "oom_kill 0\n", "sys/fs/cgroup/memory.max", "268435456\n")
	if m := thisMachine(root, 8); m.memory != 256<<20 || m.cpus() != 8 {
		t.Errorf("%+v", m)
	}
}

// anApp is the least that a command line has to say.
var anApp = Layer{"wsgi_app": {[]string{"a"}, "the command line"}}
