package gpu

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// There is no GPU where these tests run: a script stands in for nvidia-smi.
func standIn(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nvidia-smi")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// readings runs a reader until it has told enough.
func readings(t *testing.T, r *Reader, n int) []Reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan Reading)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, time.Millisecond, func(reading Reading) {
			select {
			case told <- reading:
			case <-ctx.Done():
			}
		})
	}()
	var got []Reading
	for range n {
		got = append(got, <-told)
	}
	cancel()
	<-done
	return got
}

func TestReader(t *testing.T) {
	// It asks for what it reads, and for nothing that needs rights.
	const asked = `test "$*" = "--query-gpu=utilization.gpu --format=csv,noheader,nounits" || exit 99; `
	for name, test := range map[string]struct {
		script string
		want   Reading
		says   string // of the error
	}{
		"one GPU":            {asked + "echo 37", Reading{Percent: 37}, ""},
		"the busiest counts": {"echo 0; echo 98; echo 3", Reading{Percent: 98}, ""},
		"idle":               {"echo 0", Reading{}, ""},
		"a divided GPU":      {"echo 0; echo '[N/A]'", Reading{}, `nvidia-smi says "[N/A]"`},
		"a lost GPU":         {"echo '[GPU is lost]'", Reading{}, "GPU is lost"},
		"more than all":      {"echo 101", Reading{}, "101"},
		"says nothing":       {"true", Reading{}, "names no GPU"},
		"another fault":      {"echo Failed to initialize NVML: Unknown Error; exit 255", Reading{}, "exit status 255: Failed to initialize NVML"},
		"no driver":          {"echo NVIDIA-SMI has failed; exit 9", Reading{Absent: true}, ""},
		"no library":         {"exit 12", Reading{Absent: true}, ""},
		"no device":          {"echo No devices were found; exit 6", Reading{Absent: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := readings(t, &Reader{Command: standIn(t, test.script)}, 2)
			if got[0].Err == nil {
				t.Errorf("before the first answer it is known already: %+v", got[0])
			}
			got[1].Err, test.want.Err = nil, got[1].Err
			said := ""
			if test.want.Err != nil {
				said = test.want.Err.Error()
			}
			test.want.Err = nil
			if got[1] != test.want || (said == "") != (test.says == "") || !strings.Contains(said, test.says) {
				t.Errorf("got %+v, error %q; want %+v, %q", got[1], said, test.want, test.says)
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

// A GPU that was there does not become absent: its driver is in trouble.
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
		t.Errorf("asking took %v", r.Spent())
	}
}
