package environ

import (
	"strconv"

	"devserver.io/devserver/internal/agent/cgroup"
)

// threadVariables limit the threads of numeric libraries. Without them, these
// start one thread for each CPU of the node, whatever the container may use: 128
// threads that share 4 CPUs are slower than 4.
var threadVariables = []string{"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"}

// limitThreads sets the thread variables to the container's CPU limit. If the
// image or the pod sets any of them, it changes none: libraries without a variable
// of their own follow OMP_NUM_THREADS.
func (s Server) limitThreads(vars Vars) {
	for _, name := range threadVariables {
		if vars[name] != "" {
			return
		}
	}
	limit := cpuLimit(s.CgroupDir)
	if limit == 0 {
		return
	}
	for _, name := range threadVariables {
		vars[name] = strconv.Itoa(limit)
	}
}

// cpuLimit returns the container's CPU limit in whole CPUs, rounded up, or 0 if
// there is none.
func cpuLimit(cgroupDir string) int {
	return int((cgroup.CPULimitMillis(cgroupDir) + 999) / 1000)
}
