package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

// files are the files of a control group, by path.
type files map[string]string

func (f files) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCPULimitMillis(t *testing.T) {
	for name, test := range map[string]struct {
		files files
		want  int64
	}{
		"no group":                     {nil, 0},
		"version 2":                    {files{"cpu.max": "400000 100000\n"}, 4000},
		"version 2, part of a CPU":     {files{"cpu.max": "150000 100000\n"}, 1500},
		"version 2, rounded up":        {files{"cpu.max": "1001 1000000\n"}, 2},
		"version 2, no limit":          {files{"cpu.max": "max 100000\n"}, 0},
		"version 2, malformed":         {files{"cpu.max": "what\n"}, 0},
		"version 2, a period of zero":  {files{"cpu.max": "1 0\n"}, 0},
		"version 1":                    {files{"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2500},
		"version 1, joint controllers": {files{"cpu,cpuacct/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 1000},
		"version 1, no limit":          {files{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0},
	} {
		if got := CPULimitMillis(test.files.write(t)); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

func TestMemory(t *testing.T) {
	for name, test := range map[string]struct {
		files       files
		used, limit int64
	}{
		"no group":                  {nil, 0, 0},
		"version 2":                 {files{"memory.current": "5000\n", "memory.stat": "anon 1\ninactive_file 2000\n", "memory.max": "9000\n"}, 3000, 9000},
		"version 2, no limit":       {files{"memory.current": "5000\n", "memory.stat": "inactive_file 2000\n", "memory.max": "max\n"}, 3000, 0},
		"version 2, no statistics":  {files{"memory.current": "5000\n", "memory.max": "9000\n"}, 5000, 9000},
		"version 2, read too late":  {files{"memory.current": "5000\n", "memory.stat": "inactive_file 6000\n", "memory.max": "9000\n"}, 0, 9000},
		"version 2, the root group": {files{"memory.stat": "inactive_file 2000\n"}, 0, 0},
		"version 1":                 {files{"memory/memory.usage_in_bytes": "5000\n", "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 2000\n", "memory/memory.limit_in_bytes": "9000\n"}, 3000, 9000},
		"version 1, no limit":       {files{"memory/memory.usage_in_bytes": "5000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}, 5000, 0},
		"version 1, the root group": {files{"memory/cgroup.sane_behavior": "0\n", "memory/memory.usage_in_bytes": "5000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0, 0},
	} {
		if used, limit := Memory(test.files.write(t)); used != test.used || limit != test.limit {
			t.Errorf("%s: got %d of %d, want %d of %d", name, used, limit, test.used, test.limit)
		}
	}
}

func TestOOMKills(t *testing.T) {
	for name, test := range map[string]struct {
		files files
		want  int64
	}{
		"version 2": {files{"memory.events": "low 0\nhigh 0\nmax 9\noom 5\noom_kill 3\noom_group_kill 1\n"}, 3},
		"version 1": {files{"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"}, 4},
		"no group":  {nil, 0},
	} {
		if got := OOMKills(test.files.write(t)); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}
