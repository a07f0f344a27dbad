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

// Usage is what a program and all that it started have taken.
type Usage struct {
	// CPU is in seconds, and counts those as well that have ended since.
	CPU float64
	// Memory is what they have resident, in bytes, what several share counted
	// once.
	Memory float64
}

// Usage of the jump host.
func (h *Host) Usage() (Usage, error) { return usageOf(h.PID()) }

// MaxFiles is how many file descriptors a program may have here.
func MaxFiles() (int, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return int(limit.Max), err
}

// SelfCPU is the CPU time in seconds that this program has taken.
func SelfCPU() (float64, error) {
	var usage unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9, err
}

// ticks a second, in which Linux counts CPU time for programs, everywhere.
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
			continue // It ended since.
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

// parseStat reads /proc/PID/stat: the parent, and the CPU time of the process
// and of the children that it has waited for.
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

// proportional is the proportional resident memory of a process in bytes.
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
