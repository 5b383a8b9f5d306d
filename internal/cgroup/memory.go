package cgroup

import (
	"io/fs"
	"strconv"
	"strings"
)

// Memory is the group whose limit on memory this process is under.
type Memory struct {
	root  fs.FS
	group Group
}

// FindMemory returns the group, and false when there is none that counts what the kernel kills.
func FindMemory(root fs.FS) (Memory, bool) {
	for _, group := range Find(root, "memory") {
		m := Memory{root, group}
		if _, known := m.Kills(); known {
			return m, true
		}
	}
	return Memory{}, false
}

// Name is the group's, as /proc/self/cgroup has it.
func (m Memory) Name() string { return m.group.Name }

// Kills is how many processes of the group the kernel has killed for want of memory, in the group or in the whole machine.
func (m Memory) Kills() (n int, known bool) {
	file := "/memory.oom_control" // version 1
	if m.group.Unified {
		file = "/memory.events"
	}
	for _, line := range strings.Split(Text(m.root, m.group.Dirs[0]+file), "\n") {
		if count, is := strings.CutPrefix(line, "oom_kill "); is {
			n, err := strconv.Atoi(count)
			return n, err == nil
		}
	}
	return 0, false
}

// Limit is the least limit in bytes of the group and those above it, and false when there is none.
func (m Memory) Limit() (bytes int64, limited bool) {
	file := "/memory.limit_in_bytes"
	if m.group.Unified {
		file = "/memory.max"
	}
	for _, dir := range m.group.Dirs {
		n, err := strconv.ParseInt(strings.TrimSpace(Text(m.root, dir+file)), 10, 64)
		if err == nil && n < unlimited && (!limited || n < bytes) { // "max" is none
			bytes, limited = n, true
		}
	}
	return bytes, limited
}

// Left is how much more memory in bytes the group may have until it, or one above it, reaches its limit, which limit that is, and false when there is none. What
// was read from files and is not in use counts as left: the kernel lets go of it first.
func (m Memory) Left() (bytes, limit int64, limited bool) {
	max, usage, idle := "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file "
	if m.group.Unified {
		max, usage, idle = "/memory.max", "/memory.current", "inactive_file "
	}
	for _, dir := range m.group.Dirs {
		most, err := strconv.ParseInt(strings.TrimSpace(Text(m.root, dir+max)), 10, 64)
		if err != nil || most >= unlimited {
			continue
		}
		used, err := strconv.ParseInt(strings.TrimSpace(Text(m.root, dir+usage)), 10, 64)
		if err != nil {
			continue
		}
		left := most - used
		for _, line := range strings.Split(Text(m.root, dir+"/memory.stat"), "\n") {
			if text, is := strings.CutPrefix(line, idle); is {
				n, _ := strconv.ParseInt(text, 10, 64)
				left += n
			}
		}
		if !limited || left < bytes {
			bytes, limit, limited = left, most, true
		}
	}
	return bytes, limit, limited
}

// unlimited is more than any machine has: version 1 writes the largest number of pages for no limit.
const unlimited = 1 << 60
