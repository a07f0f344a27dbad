package agentapi

import (
	"fmt"
	"strconv"
	"strings"
)

// Resources are what the server uses and may use. Programs in the server cannot
// find out by themselves: free(1) and nproc(1) report the node's figures. A number
// is 0, and absent in JSON, if there is no limit or it cannot be read.
type Resources struct {
	// MemoryUsedBytes is the memory in use, without caches that the kernel frees
	// when memory runs out. It changes all the time: nothing is written to the
	// cluster because of it.
	MemoryUsedBytes int64 `json:"memoryUsedBytes,omitempty"`
	// MemoryLimitBytes is the limit at which the kernel kills processes.
	MemoryLimitBytes int64 `json:"memoryLimitBytes,omitempty"`
	// CPUUsedMillis is the CPU time used per second, in thousandths of a CPU, as the
	// CPU signal measures it. It is nil while that is not known.
	CPUUsedMillis *int64 `json:"cpuUsedMillis,omitempty"`
	// CPULimitMillis is the CPU limit in thousandths of a CPU.
	CPULimitMillis int64 `json:"cpuLimitMillis,omitempty"`
	// GPUs is how many NVIDIA GPUs nvidia-smi lists. It is 0 until nvidia-smi has
	// answered for the first time.
	GPUs int64 `json:"gpus,omitempty"`
	// GPUPercent is the utilization of the busiest GPU. It is nil while that is not
	// known, and if there is no GPU.
	GPUPercent *int64 `json:"gpuPercent,omitempty"`
}

// Usage describes in one line what the server uses and may use, without a line
// end: "Memory 3.1 of 16 GiB, CPU limit 4, GPU 1, home 12 of 100 GiB". What has no
// limit, or is not known, is left out. It is empty if nothing is known.
func (r Report) Usage() string {
	var parts []string
	if m := r.Resources; m.MemoryUsedBytes > 0 {
		parts = append(parts, "memory "+amount(m.MemoryUsedBytes, m.MemoryLimitBytes))
	}
	if millis := r.Resources.CPULimitMillis; millis > 0 {
		parts = append(parts, "CPU limit "+strconv.FormatFloat(float64(millis)/1000, 'f', -1, 64))
	}
	if gpus := r.Resources.GPUs; gpus > 0 {
		parts = append(parts, fmt.Sprintf("GPU %d", gpus))
	}
	if r.Home != nil && r.Home.SizeBytes > 0 {
		parts = append(parts, "home "+amount(r.Home.UsedBytes(), r.Home.SizeBytes))
	}
	line := strings.Join(parts, ", ")
	if line == "" {
		return ""
	}
	return strings.ToUpper(line[:1]) + line[1:]
}

// amount formats "3.1 of 16 GiB", or "3.1 GiB" if the limit is 0.
func amount(used, limit int64) string {
	unit, name := float64(1<<20), "MiB"
	if max(used, limit) >= 1<<30 {
		unit, name = 1<<30, "GiB"
	}
	if limit <= 0 {
		return Number(float64(used)/unit) + " " + name
	}
	return Number(float64(used)/unit) + " of " + Number(float64(limit)/unit) + " " + name
}

// Number formats a number below 100 with one decimal, and without a trailing ".0".
func Number(n float64) string {
	if n >= 100 {
		return fmt.Sprintf("%.0f", n)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0")
}
