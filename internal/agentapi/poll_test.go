package agentapi

import (
	"strings"
	"testing"
	"time"
)

func TestIdle(t *testing.T) {
	for name, test := range map[string]struct {
		report Report
		want   time.Duration
		signal string
	}{
		"never active":      {Report{UpSeconds: 60, Signals: []Signal{{Name: SignalCPU, IdleSeconds: -1}}}, time.Minute, ""},
		"the latest counts": {Report{UpSeconds: 60, Signals: []Signal{{Name: SignalCPU, IdleSeconds: 30}, {Name: SignalSSH, IdleSeconds: 20}}}, 20 * time.Second, SignalSSH},
		"before the agent":  {Report{UpSeconds: 60, Signals: []Signal{{Name: SignalCPU, IdleSeconds: 90}}}, time.Minute, ""},
		"an empty report":   {Report{}, 0, ""},
		"absurd":            {Report{UpSeconds: 1e300}, 10 * 365 * 24 * time.Hour, ""},
		"negative":          {Report{UpSeconds: -5}, 0, ""},
	} {
		if got, signal := test.report.Idle(); got != test.want || signal != test.signal {
			t.Errorf("%s: got idle for %s, signal %q; want %s, %q", name, got, signal, test.want, test.signal)
		}
	}
}

func TestRoom(t *testing.T) {
	const gi = 1 << 30
	for name, test := range map[string]struct {
		room        Room
		full, roomy bool
	}{
		"unknown":                   {Room{}, false, true},
		"empty":                     {Room{SizeBytes: gi, FreeBytes: gi}, false, true},
		"a small home, full":        {Room{SizeBytes: gi, FreeBytes: gi/20 - 1}, true, false},
		"a small home, nearly full": {Room{SizeBytes: gi, FreeBytes: gi/20 + 1}, false, false},
		"a large home, 2 GiB free":  {Room{SizeBytes: 1000 * gi, FreeBytes: 2 * gi}, false, true},
		"a large home, full":        {Room{SizeBytes: 1000 * gi, FreeBytes: gi / 4}, true, false},
		"out of files":              {Room{SizeBytes: gi, FreeBytes: gi, Files: 1000, FreeFiles: 5}, true, false},
	} {
		if test.room.Full() != test.full || test.room.Roomy() != test.roomy {
			t.Errorf("%s: got full %t, roomy %t; want %t, %t", name, test.room.Full(), test.room.Roomy(), test.full, test.roomy)
		}
	}
}

// TestTextOfServersIsSafeToPrint shows that a server cannot control the terminals
// on which its report is shown, or fill them.
func TestTextOfServersIsSafeToPrint(t *testing.T) {
	r := Report{Signals: []Signal{
		{Name: SignalCPU, Value: "CPU \x1b[31m1%\n"},
		{Name: SignalGPU, Value: "GPU 0%"},
		{Name: SignalKeep, Value: strings.Repeat("ü", 500)},
	}}
	if got, want := r.Figures(), `CPU \x1b[31m1% , GPU 0%`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := []rune(r.KeptAwakeBy()); len(got) != 200 {
		t.Errorf("got %d characters, want 200", len(got))
	}
}

func TestThresholdsWithDefaults(t *testing.T) {
	for name, test := range map[string]struct{ in, want Thresholds }{
		"none":     {Thresholds{}, Thresholds{100, 2, 64 << 10}},
		"some":     {Thresholds{GPUPercent: 101}, Thresholds{100, 101, 64 << 10}},
		"negative": {Thresholds{-1, -1, -1}, Thresholds{100, 2, 64 << 10}},
		"all":      {Thresholds{1, 1, 1}, Thresholds{1, 1, 1}},
	} {
		if got := test.in.WithDefaults(); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestKeptAwakeBy(t *testing.T) {
	for name, test := range map[string]struct {
		signal Signal
		want   string
	}{
		"a process":               {Signal{Name: SignalKeep, Value: "torchrun (over night)"}, "torchrun (over night)"},
		"a look 59 seconds ago":   {Signal{Name: SignalKeep, IdleSeconds: 59, Value: "torchrun"}, "torchrun"},
		"nothing":                 {Signal{Name: SignalKeep, IdleSeconds: -1}, ""},
		"nothing any more":        {Signal{Name: SignalKeep, IdleSeconds: 5}, ""},
		"too long ago":            {Signal{Name: SignalKeep, IdleSeconds: 60, Value: "torchrun"}, ""},
		"another signal":          {Signal{Name: SignalCPU, Value: "CPU 99%"}, ""},
		"an older agent":          {Signal{Name: SignalKeep, Value: "kept by make"}, "make"},
		"an older agent, nothing": {Signal{Name: SignalKeep, IdleSeconds: 5, Value: "nothing is kept"}, ""},
		"an older agent, no sign": {Signal{Name: SignalKeep, IdleSeconds: -1, Value: "nothing is kept"}, ""},
	} {
		if got := (Report{Signals: []Signal{test.signal}}).KeptAwakeBy(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestFilesHash(t *testing.T) {
	files := func(pairs ...string) string {
		m := map[string][]byte{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = []byte(pairs[i+1])
		}
		return FilesHash(m)
	}
	same := files("a", "1", "b", "2")
	if files("b", "2", "a", "1") != same {
		t.Error("the order of the files matters")
	}
	for name, other := range map[string]string{
		"another content":  files("a", "1", "b", "3"),
		"another name":     files("a", "1", "c", "2"),
		"one file less":    files("a", "1"),
		"contents swapped": files("a", "2", "b", "1"),
	} {
		if other == same {
			t.Errorf("%s gives the same hash", name)
		}
	}
}
