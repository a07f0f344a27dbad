package cgroup

import "path/filepath"

// OOMKills returns how many processes of the container the kernel has killed
// because memory ran out. It is 0 if that cannot be read.
func OOMKills(dir string) int64 {
	const key = "oom_kill"
	if count, err := keyedInt(filepath.Join(dir, "memory.events"), key); err == nil {
		return count
	}
	count, _ := keyedInt(filepath.Join(dir, "memory", "memory.oom_control"), key)
	return count
}
