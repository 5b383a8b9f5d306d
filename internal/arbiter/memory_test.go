//go:build linux

package arbiter

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestKillOfTheKernelExplainsOneDeath(t *testing.T) {
	events := &fstest.MapFile{Data: []byte("oom_kill 3\n")}
	memory := NewMemory(fstest.MapFS{
		"proc/self/mountinfo":              {Data: []byte("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")},
		"proc/self/cgroup":                 {Data: []byte("0::/shop\n")},
		"sys/fs/cgroup/shop/memory.max":    {Data: []byte("268435456\n")},
		"sys/fs/cgroup/shop/memory.events": events,
	})
	now := time.Now()
	kill := func(n int) { events.Data = []byte(fmt.Sprintf("oom_kill %d\n", n)) }
	expect := func(after time.Duration, want string) {
		t.Helper()
		now = now.Add(after)
		if why := memory.explain(now); !strings.Contains(why, want) {
			t.Errorf("told %q, want %q", why, want)
		}
	}
	const theKernel = "killed by the kernel for want of memory in cgroup /shop, which may have 256.0MiB"
	expect(0, "has killed nothing in cgroup /shop") // the three were before our time
	kill(4)
	expect(time.Second, theKernel)
	expect(time.Second, "killed by another process")
	kill(6)
	memory.look(now)
	expect(time.Second, theKernel)
	expect(time.Second, theKernel)
	kill(7)
	memory.look(now)
	expect(killExplains+time.Second, "killed by another process") // it was somebody else in the group
}

func TestResidentMemoryIsThatOfTheProcess(t *testing.T) {
	if rss := resident(os.Getpid()); rss < 1<<20 || rss > 1<<40 {
		t.Errorf("%d bytes", rss)
	}
	if rss := resident(1 << 30); rss != 0 {
		t.Errorf("a process that is not there has %d bytes", rss)
	}
}
