// Package cgroup reads what the kernel accounts to the server's container, and
// the limits that it enforces on it, from the container's control group. It
// reads groups of version 2, and of version 1, where each controller has a
// folder of its own.
//
// Nothing is remembered: a pod can be resized in place.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// errWholeMachine is the error for a folder that is the root of all groups, which
// is what a container without a cgroup namespace may see.
var errWholeMachine = errors.New("the control group is that of the whole machine")

// CPUTimeSources returns functions that read the CPU time that the container has
// used since it started, one for each place where it may be found. A source that
// works once keeps working while the container runs; the others return errors.
func CPUTimeSources(dir string) []func() (time.Duration, error) {
	sources := []func() (time.Duration, error){
		func() (time.Duration, error) { return cpuTime2(dir) },
	}
	for _, controller := range []string{"cpuacct", "cpu,cpuacct"} {
		sources = append(sources, func() (time.Duration, error) { return cpuTime1(filepath.Join(dir, controller)) })
	}
	return sources
}

// cpuTime2 reads cpu.stat of version 2. Every group but the root has
// cgroup.events.
func cpuTime2(dir string) (time.Duration, error) {
	if !exists(dir, "cgroup.events") {
		return 0, errWholeMachine
	}
	micros, err := keyedInt(filepath.Join(dir, "cpu.stat"), "usage_usec")
	return time.Duration(micros) * time.Microsecond, err
}

// cpuTime1 reads cpuacct.usage of version 1. Only the root has
// cgroup.sane_behavior.
func cpuTime1(dir string) (time.Duration, error) {
	if exists(dir, "cgroup.sane_behavior") {
		return 0, errWholeMachine
	}
	nanos, err := readInt(filepath.Join(dir, "cpuacct.usage"))
	return time.Duration(nanos), err
}

// CPULimitMillis returns the container's CPU limit in thousandths of a CPU,
// rounded up, or 0 if it has no limit or the limit cannot be read.
func CPULimitMillis(dir string) int64 {
	quota, period, ok := cpuQuota2(dir)
	if !ok {
		quota, period, ok = cpuQuota1(dir)
	}
	if !ok || quota <= 0 || period <= 0 {
		return 0
	}
	return (quota*1000 + period - 1) / period
}

// cpuQuota2 reads cpu.max of version 2: "200000 100000", or "max 100000" without a
// limit.
func cpuQuota2(dir string) (quota, period int64, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, "cpu.max"))
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return 0, 0, false
	}
	quota, quotaErr := strconv.ParseInt(fields[0], 10, 64)
	period, periodErr := strconv.ParseInt(fields[1], 10, 64)
	return quota, period, quotaErr == nil && periodErr == nil
}

// cpuQuota1 reads the pair of files of version 1. A quota of -1 is no limit.
func cpuQuota1(dir string) (quota, period int64, ok bool) {
	for _, controller := range []string{"cpu", "cpu,cpuacct"} {
		quota, quotaErr := readInt(filepath.Join(dir, controller, "cpu.cfs_quota_us"))
		period, periodErr := readInt(filepath.Join(dir, controller, "cpu.cfs_period_us"))
		if quotaErr == nil && periodErr == nil {
			return quota, period, true
		}
	}
	return 0, 0, false
}

// unlimitedBytes is a memory limit that is none: version 1 reports the largest
// multiple of a page that fits 63 bits.
const unlimitedBytes = 1 << 60

// Memory returns the memory that the container uses, and its limit, in bytes. The
// limit is 0 if there is none. Both are 0 if they cannot be read.
//
// Used is what `kubectl top` shows: all that is accounted to the container except
// files that it has not read for a while. The kernel frees the memory of those
// before it reaches the limit.
func Memory(dir string) (used, limit int64) {
	used, err := readInt(filepath.Join(dir, "memory.current"))
	if err == nil {
		cached, _ := keyedInt(filepath.Join(dir, "memory.stat"), "inactive_file")
		limit, _ = readInt(filepath.Join(dir, "memory.max")) // "max" is no number
		return memory(used, cached, limit)
	}
	dir = filepath.Join(dir, "memory")
	if exists(dir, "cgroup.sane_behavior") {
		return 0, 0
	}
	if used, err = readInt(filepath.Join(dir, "memory.usage_in_bytes")); err != nil {
		return 0, 0
	}
	cached, _ := keyedInt(filepath.Join(dir, "memory.stat"), "total_inactive_file")
	limit, _ = readInt(filepath.Join(dir, "memory.limit_in_bytes"))
	return memory(used, cached, limit)
}

func memory(accounted, cached, limit int64) (used, limitOrZero int64) {
	if limit >= unlimitedBytes {
		limit = 0
	}
	return max(accounted-cached, 0), limit
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func readInt(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// keyedInt reads a value from a file of lines such as "usage_usec 1234".
func keyedInt(path, key string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, key)
}
