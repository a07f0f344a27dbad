package environ

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// threadVariables bound the threads of numeric libraries. They start one per
// CPU of the node, whatever the container may use: 128 threads that share 4
// CPUs are slower than 4.
var threadVariables = []string{"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"}

// limitThreads sets them to the container's CPU limit. If any is set already,
// somebody has thought about threads, and the others, which follow
// OMP_NUM_THREADS by themselves, are left alone too.
func (b Box) limitThreads(vars Vars) {
	for _, name := range threadVariables {
		if vars[name] != "" {
			return
		}
	}
	limit := CPULimit(b.CgroupDir)
	if limit == 0 {
		return
	}
	for _, name := range threadVariables {
		vars[name] = strconv.Itoa(limit)
	}
}

// CPULimit is the container's CPU limit in whole CPUs, rounded up, or 0 if
// there is none. It is read each time, since a pod can be resized in place.
func CPULimit(cgroupDir string) int {
	quota, period, ok := cgroup2(cgroupDir)
	if !ok {
		quota, period, ok = cgroup1(cgroupDir)
	}
	if !ok || quota <= 0 || period <= 0 {
		return 0
	}
	return int((quota + period - 1) / period)
}

// cgroup2 reads cpu.max: "200000 100000", or "max 100000" without a limit.
func cgroup2(dir string) (quota, period int64, ok bool) {
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

// cgroup1 reads the older pair of files, where a quota of -1 is no limit.
func cgroup1(dir string) (quota, period int64, ok bool) {
	for _, controller := range []string{"cpu", "cpu,cpuacct"} {
		quota, quotaErr := readInt(filepath.Join(dir, controller, "cpu.cfs_quota_us"))
		period, periodErr := readInt(filepath.Join(dir, controller, "cpu.cfs_period_us"))
		if quotaErr == nil && periodErr == nil {
			return quota, period, true
		}
	}
	return 0, 0, false
}

func readInt(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
