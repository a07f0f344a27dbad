package activity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agent/cgroup"
)

// cpuTime is the CPU time that the server has used since it started, without the
// agent's own: the probes alone would keep every server awake.
type cpuTime struct {
	read func() (time.Duration, error)
	own  func() (time.Duration, error)
}

// newCPUTime decides, once, where to read the server's CPU time: in its control
// group, or, if that cannot be read or is that of the whole machine, from the
// processes that are visible.
func newCPUTime(cgroupDir, procDir string, own func() (time.Duration, error)) cpuTime {
	for _, source := range cgroup.CPUTimeSources(cgroupDir) {
		if _, err := source(); err == nil {
			return cpuTime{source, own}
		}
	}
	return cpuTime{func() (time.Duration, error) { return processTime(procDir) }, own}
}

// used returns the server's CPU time without the agent's.
func (c cpuTime) used() (time.Duration, error) {
	all, err := c.read()
	if err != nil {
		return 0, err
	}
	own, err := c.own()
	if err != nil {
		return 0, err
	}
	return all - own, nil
}

// clockTick is the unit of times in /proc. It is the same on every architecture.
const clockTick = time.Second / 100

// processTime adds up the CPU time of the processes that are visible and of their
// children that have ended, which includes short-lived ones.
func processTime(procDir string) (time.Duration, error) {
	entries, err := os.ReadDir(procDir)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		own, children, err := statTimes(filepath.Join(procDir, entry.Name(), "stat"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // It has ended since.
		}
		if err != nil {
			return 0, err
		}
		sum += own + children
	}
	return sum, nil
}

// statTimes reads the CPU time of a process, and of its children that have ended,
// from /proc/PID/stat: see proc_pid_stat(5).
func statTimes(path string) (own, children time.Duration, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	// The name in parentheses may hold anything. What follows it begins with
	// field 3.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const utime, count = 14 - 3, 4
	if len(fields) < utime+count {
		return 0, 0, fmt.Errorf("%s is cut short", path)
	}
	var ticks [count]int64
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(fields[utime+i], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	return time.Duration(ticks[0]+ticks[1]) * clockTick, time.Duration(ticks[2]+ticks[3]) * clockTick, nil
}

// agentTime returns the CPU time of this process.
func agentTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
