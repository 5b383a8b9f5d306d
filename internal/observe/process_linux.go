package observe

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is what the kernel tells of a process. Sizes are in bytes; 0 is not known.
type Process struct {
	Age time.Duration
	RSS int64 // memory that it has in RAM, what it shares counted whole
	PSS int64 // the same, what it shares counted in equal parts for all who do
	VSZ int64 // addresses that it has, whether there is memory behind them or not
}

// clockTicks is how many ticks a second has in /proc (USER_HZ, which has been 100 on every machine).
const clockTicks = 100

// LookAt asks the kernel about a process. PSS costs it a walk over the process's memory: some milliseconds for a large one.
func LookAt(pid int) (Process, error) {
	p, err := Glance(pid)
	if err != nil {
		return Process{}, err
	}
	if rollup, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup"); err == nil {
		p.PSS = sizeOf(rollup, "Pss:")
	}
	return p, nil
}

// Glance asks without that: PSS is 0.
func Glance(pid int) (Process, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, err
	}
	p, err := parseStat(stat, os.Getpagesize())
	if err != nil {
		return Process{}, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err == nil {
		p.Age = time.Duration(now.Nano()) - p.Age
	}
	return p, nil
}

// Available is how much memory in bytes the machine could give to processes without swapping; 0 is not known.
func Available() int64 {
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return sizeOf(meminfo, "MemAvailable:")
}

// parseStat reads /proc/PID/stat: Age is the time of the start, since the machine's.
func parseStat(stat []byte, pageSize int) (Process, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before may have spaces
	if len(fields) < 22 {
		return Process{}, errors.New("reading the state of a process: malformed")
	}
	started, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return Process{}, err
	}
	size, err := strconv.ParseInt(string(fields[20]), 10, 64)
	if err != nil {
		return Process{}, err
	}
	pages, err := strconv.ParseInt(string(fields[21]), 10, 64)
	return Process{Age: time.Duration(started) * (time.Second / clockTicks), RSS: pages * int64(pageSize), VSZ: size}, err
}

// sizeOf finds a line such as `Pss:   123 kB`.
func sizeOf(text []byte, name string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			size, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return size << 10
		}
	}
	return 0
}
