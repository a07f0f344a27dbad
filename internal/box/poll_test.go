package box

import "testing"

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

func TestIdle(t *testing.T) {
	for name, test := range map[string]struct {
		report Report
		want   float64
		signal string
	}{
		"nothing seen":         {Report{UpSeconds: 90, Signals: []Signal{{Name: SignalCPU, IdleSeconds: -1}}}, 90, ""},
		"the latest":           {Report{UpSeconds: 90, Signals: []Signal{{Name: SignalCPU, IdleSeconds: 60}, {Name: SignalSSH, IdleSeconds: 30}}}, 30, SignalSSH},
		"at work":              {Report{UpSeconds: 90, Signals: []Signal{{Name: SignalKeep, IdleSeconds: 0}}}, 0, SignalKeep},
		"longer ago than seen": {Report{UpSeconds: 90, Signals: []Signal{{Name: SignalKeep, IdleSeconds: 100}}}, 90, ""},
	} {
		if got, signal := test.report.Idle(); got != test.want || signal != test.signal {
			t.Errorf("%s: got %v by %q, want %v by %q", name, got, signal, test.want, test.signal)
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
