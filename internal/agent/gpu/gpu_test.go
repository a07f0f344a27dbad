package gpu

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// standIn returns the path of a script that stands in for nvidia-smi, because these
// tests run without a GPU.
func standIn(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nvidia-smi")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// readings runs a reader for n readings.
func readings(t *testing.T, r *Reader, n int) []Reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	noted := make(chan Reading)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, time.Millisecond, func(reading Reading) {
			select {
			case noted <- reading:
			case <-ctx.Done():
			}
		})
	}()
	var got []Reading
	for range n {
		got = append(got, <-noted)
	}
	cancel()
	<-done
	return got
}

func TestReader(t *testing.T) {
	// The script fails unless it is called as nvidia-smi should be.
	const checked = `test "$*" = "--query-gpu=utilization.gpu --format=csv,noheader,nounits" || exit 99; `
	for name, test := range map[string]struct {
		script string
		want   Reading
		err    string // of the error
	}{
		"one GPU":            {checked + "echo 37", Reading{Count: 1, Percent: 37}, ""},
		"the busiest counts": {"echo 0; echo 98; echo 3", Reading{Count: 3, Percent: 98}, ""},
		"idle":               {"echo 0", Reading{Count: 1}, ""},
		"a divided GPU":      {"echo 0; echo '[N/A]'", Reading{Count: 2}, `nvidia-smi reports "[N/A]"`},
		"a lost GPU":         {"echo '[GPU is lost]'", Reading{Count: 1}, "GPU is lost"},
		"more than all":      {"echo 101", Reading{Count: 1}, "101"},
		"no output":          {"true", Reading{}, "lists no GPU"},
		"another fault":      {"echo Failed to initialize NVML: Unknown Error; exit 255", Reading{}, "exit status 255: Failed to initialize NVML"},
		"no driver":          {"echo NVIDIA-SMI has failed; exit 9", Reading{Absent: true}, ""},
		"no library":         {"exit 12", Reading{Absent: true}, ""},
		"no device":          {"echo No devices were found; exit 6", Reading{Absent: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := readings(t, &Reader{Command: standIn(t, test.script)}, 2)
			if got[0].Err == nil {
				t.Errorf("before the first answer: got %+v, want an error", got[0])
			}
			got[1].Err, test.want.Err = nil, got[1].Err
			message := ""
			if test.want.Err != nil {
				message = test.want.Err.Error()
			}
			test.want.Err = nil
			if got[1] != test.want || (message == "") != (test.err == "") || !strings.Contains(message, test.err) {
				t.Errorf("got %+v, error %q; want %+v, %q", got[1], message, test.want, test.err)
			}
		})
	}
}

func TestWithoutNvidiaSMI(t *testing.T) {
	r := &Reader{Command: filepath.Join(t.TempDir(), "nvidia-smi")}
	var got []Reading
	r.Run(t.Context(), time.Hour, func(reading Reading) { got = append(got, reading) }) // returns by itself
	if len(got) != 1 || !got[0].Absent {
		t.Errorf("got %+v", got)
	}
}

// TestLostDriver shows that a GPU does not become absent: its driver is faulty.
func TestLostDriver(t *testing.T) {
	dir := t.TempDir()
	r := &Reader{Command: standIn(t, "mkdir "+dir+"/second 2>/dev/null && echo 5 || exit 9")}
	got := readings(t, r, 3)
	if got[1].Percent != 5 || got[1].Err != nil {
		t.Fatalf("got %+v", got[1])
	}
	if got[2].Absent || got[2].Err == nil {
		t.Errorf("got %+v", got[2])
	}
}

func TestSpentIsCounted(t *testing.T) {
	r := &Reader{Command: standIn(t, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo 1")}
	readings(t, r, 3)
	if r.Spent() <= 0 {
		t.Errorf("nvidia-smi used %v", r.Spent())
	}
}
