package activity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const statLine = " S 1 1 1 0 -1 4194560 100 200 0 0 150 50 25 75 20 0 4 0 12345 1000 100\n"

// files are the files of a folder, by path.
type files map[string]string

func (f files) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		write(t, dir, name, text)
	}
	return dir
}

func TestCPUTime(t *testing.T) {
	proc := files{
		"1/stat":       "1 (init)" + statLine,
		"77/stat":      "77 (a b) c)) (" + ")" + statLine,
		"78/other":     "this process has just ended",
		"uptime":       "1 2",
		"self/ignored": "",
	}
	const all = 2 * 3 * time.Second // two processes, each with its children that have ended
	tests := map[string]struct {
		cgroup files
		want   time.Duration
	}{
		"version 2":              {files{"cgroup.events": "populated 1", "cpu.stat": "usage_usec 2500000\nuser_usec 1\n"}, 2500 * time.Millisecond},
		"version 1":              {files{"cpuacct/cpuacct.usage": "1500000000\n"}, 1500 * time.Millisecond},
		"version 1, both in one": {files{"cpu,cpuacct/cpuacct.usage": "1700000000\n"}, 1700 * time.Millisecond},
		"no group":               {nil, all},
		"the root, version 2":    {files{"cpu.stat": "usage_usec 2500000"}, all},
		"the root, version 1":    {files{"cpuacct/cgroup.sane_behavior": "0", "cpuacct/cpuacct.usage": "1500000000"}, all},
		"without the key":        {files{"cgroup.events": "populated 1", "cpu.stat": "nr_periods 1\n"}, all},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			own := func() (time.Duration, error) { return 500 * time.Millisecond, nil }
			c := newCPUTime(test.cgroup.write(t), proc.write(t), own)
			if got, err := c.used(); err != nil || got != test.want-500*time.Millisecond {
				t.Errorf("got %v, %v; want %v less half a second", got, err, test.want)
			}
		})
	}
}

// TestCPUTimeStaysWithItsSource shows that a source that fails later is an error. Another
// source in its place would look like a jump of the counter.
func TestCPUTimeStaysWithItsSource(t *testing.T) {
	cgroup := files{"cgroup.events": "", "cpu.stat": "usage_usec 1000"}.write(t)
	c := newCPUTime(cgroup, files{"1/stat": "1 (x)" + statLine}.write(t), func() (time.Duration, error) { return 0, nil })
	if err := os.Remove(filepath.Join(cgroup, "cpu.stat")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.used(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCPUTimeErrors(t *testing.T) {
	none := func() (time.Duration, error) { return 0, nil }
	for name, proc := range map[string]files{
		"cut short":    {"1/stat": "1 (x) S 1 2 3"},
		"not a number": {"1/stat": "1 (x) S 1 1 1 0 -1 4194560 100 200 0 0 many 50 25 75 20\n"},
	} {
		if got, err := newCPUTime(t.TempDir(), proc.write(t), none).used(); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got, err := newCPUTime(t.TempDir(), filepath.Join(t.TempDir(), "gone"), none).used(); err == nil {
		t.Errorf("without /proc: got %v", got)
	}
}

func TestAgentTimeIsReal(t *testing.T) {
	before, err := agentTime()
	if err != nil {
		t.Fatal(err)
	}
	for {
		now, err := agentTime()
		if err != nil {
			t.Fatal(err)
		}
		if now > before {
			return // It includes the time of this loop.
		}
	}
}

func TestProcessTimeIsReal(t *testing.T) {
	if got, err := processTime("/proc"); err != nil || got <= 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
