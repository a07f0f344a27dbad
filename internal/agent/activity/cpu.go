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
)

// cpuTime is the CPU time that the box has used since it started, without the
// agent's own: its probes would keep every box awake.
type cpuTime struct {
	read func() (time.Duration, error)
	own  func() (time.Duration, error)
}

// newCPUTime finds out, once, where the box's CPU time stands: in its control
// group of either version. Where that is not readable, or is not the box's but
// the whole machine's, the processes that are visible are summed up.
func newCPUTime(cgroupDir, procDir string, own func() (time.Duration, error)) cpuTime {
	c := cpuTime{own: own, read: func() (time.Duration, error) { return processTime(procDir) }}
	sources := []func() (time.Duration, error){
		func() (time.Duration, error) { return cgroup2Time(cgroupDir) },
	}
	for _, controller := range []string{"cpuacct", "cpu,cpuacct"} {
		sources = append(sources, func() (time.Duration, error) { return cgroup1Time(filepath.Join(cgroupDir, controller)) })
	}
	for _, source := range sources {
		if _, err := source(); err == nil {
			c.read = source
			break
		}
	}
	return c
}

// used is the box's CPU time without the agent's.
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

var errWholeMachine = errors.New("the control group is that of the whole machine")

// cgroup2Time reads cpu.stat. Every group has cgroup.events but the root.
func cgroup2Time(dir string) (time.Duration, error) {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.events")); err != nil {
		return 0, errWholeMachine
	}
	micros, err := keyedInt(filepath.Join(dir, "cpu.stat"), "usage_usec")
	return time.Duration(micros) * time.Microsecond, err
}

// cgroup1Time reads cpuacct.usage. Only the root has cgroup.sane_behavior.
func cgroup1Time(dir string) (time.Duration, error) {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.sane_behavior")); err == nil {
		return 0, errWholeMachine
	}
	text, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
	if err != nil {
		return 0, err
	}
	nanos, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Duration(nanos), err
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

// clockTick is the unit of times in /proc, the same on all that Linux runs on.
const clockTick = time.Second / 100

// processTime sums up the processes that are there, each with what its ended
// children took: so the time of short-lived ones is counted too.
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
			continue // it has ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		sum += own + children
	}
	return sum, nil
}

// statTimes reads /proc/PID/stat: see proc_pid_stat(5).
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

// agentTime is the CPU time of the agent's own two processes: this one, and
// the supervisor, if that is its parent.
func agentTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	own := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	parent := filepath.Join("/proc", strconv.Itoa(os.Getppid()))
	if sameFile("/proc/self/exe", filepath.Join(parent, "exe")) {
		// What cannot be read counts as the box's.
		supervisor, _, _ := statTimes(filepath.Join(parent, "stat"))
		own += supervisor
	}
	return own, nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
