package agentapi

import "testing"

func TestUsage(t *testing.T) {
	const mi, gi = 1 << 20, 1 << 30
	for name, test := range map[string]struct {
		report Report
		want   string
	}{
		"nothing is known": {Report{}, ""},
		"everything": {Report{
			Resources: Resources{MemoryUsedBytes: 3174 * mi, MemoryLimitBytes: 16 * gi, CPULimitMillis: 4000, GPUs: 1},
			Home:      &Room{SizeBytes: 100 * gi, FreeBytes: 88 * gi},
		}, "Memory 3.1 of 16 GiB, CPU limit 4, GPU 1, home 12 of 100 GiB"},
		"no limits":           {Report{Resources: Resources{MemoryUsedBytes: 2.25 * gi}}, "Memory 2.2 GiB"},
		"only a CPU limit":    {Report{Resources: Resources{CPULimitMillis: 2500}}, "CPU limit 2.5"},
		"only a home":         {Report{Home: &Room{SizeBytes: 10 * gi, FreeBytes: 10 * gi}}, "Home 0 of 10 GiB"},
		"a small server":      {Report{Resources: Resources{MemoryUsedBytes: 20.5 * mi, MemoryLimitBytes: 512 * mi, CPULimitMillis: 250}}, "Memory 20.5 of 512 MiB, CPU limit 0.25"},
		"a large server":      {Report{Resources: Resources{MemoryUsedBytes: 1000*gi - 400*mi, MemoryLimitBytes: 2048 * gi, GPUs: 8}}, "Memory 1000 of 2048 GiB, GPU 8"},
		"a home of no size":   {Report{Home: &Room{}}, ""},
		"more free than size": {Report{Home: &Room{SizeBytes: gi, FreeBytes: 2 * gi}}, "Home 0 of 1 GiB"},
		"negative figures":    {Report{Resources: Resources{MemoryUsedBytes: -1, MemoryLimitBytes: -1, CPULimitMillis: -1, GPUs: -1}}, ""},
	} {
		if got := test.report.Usage(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
