package activity

import "path/filepath"

// OOMKills counts the processes of a control group, of either version, that
// the kernel has killed for memory. It is 0 where that cannot be told.
func OOMKills(cgroupDir string) int64 {
	const key = "oom_kill"
	if count, err := keyedInt(filepath.Join(cgroupDir, "memory.events"), key); err == nil {
		return count
	}
	count, _ := keyedInt(filepath.Join(cgroupDir, "memory", "memory.oom_control"), key)
	return count
}
