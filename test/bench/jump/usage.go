package jump

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Usage is the CPU time and memory of a program and its descendants.
type Usage struct {
	// CPU is in seconds. It includes descendants that have ended.
	CPU float64
	// Memory is the resident memory in bytes. Shared pages count once.
	Memory float64
}

// Usage returns the usage of the jump host.
func (h *Host) Usage() (Usage, error) { return usageOf(h.PID()) }

// MaxFiles returns the highest number of file descriptors that a process may have.
func MaxFiles() (int, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return int(limit.Max), err
}

// SelfCPU returns the CPU time of this process in seconds.
func SelfCPU() (float64, error) {
	var usage unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9, err
}

// ticks is the unit in which Linux reports CPU time, in ticks per second. It is the same on
// all architectures.
const ticks = 100

func usageOf(root int) (Usage, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return Usage{}, err
	}
	children, cpu := map[int][]int{}, map[int]float64{}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // The process has ended.
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return Usage{}, err
		}
		parent, used := parseStat(stat)
		children[parent] = append(children[parent], pid)
		cpu[pid] = used
	}
	var sum Usage
	for all := []int{root}; len(all) > 0; all = all[1:] {
		all = append(all, children[all[0]]...)
		sum.CPU += cpu[all[0]]
		resident, err := proportional(all[0])
		if err != nil {
			return Usage{}, err
		}
		sum.Memory += resident
	}
	return sum, nil
}

// parseStat reads the parent from /proc/PID/stat, and the CPU time of the process and of the
// children that it has waited for.
func parseStat(stat []byte) (parent int, cpu float64) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[1])
	for _, field := range fields[11:15] {
		n, _ := strconv.ParseFloat(field, 64)
		cpu += n / ticks
	}
	return parent, cpu
}

// proportional returns the proportional set size of a process in bytes.
func proportional(pid int) (float64, error) {
	rollup, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, nil // It has ended since.
	}
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(rollup), "\nPss:")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0, nil // A process without memory of its own.
	}
	kilobytes, err := strconv.ParseFloat(words[0], 64)
	return kilobytes * 1024, err
}
