package plane

import "testing"

func TestUsageFromProc(t *testing.T) {
	stat := "42 (a (b) c) S 1 42 42 0 -1 4194560 9 0 0 0 1234 66 0 0 20 0 9 0 100 1 2"
	status := "Name:\ta\nVmPeak:\t  999999 kB\nVmHWM:\t   81920 kB\nVmRSS:\t   40960 kB\n"
	got, err := parseUsage([]byte(stat), []byte(status))
	if want := (Usage{CPU: 13, Sys: 0.66, Peak: 80, RSS: 40}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseUsage([]byte("42 (a) S 1"), []byte(status)); err == nil {
		t.Error("an incomplete line is accepted")
	}
}
