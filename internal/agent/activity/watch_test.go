package activity

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"devserver.io/devserver/internal/agent/gpu"
	"devserver.io/devserver/internal/agentapi"
)

// fakeServer is a server with figures that its test sets.
type fakeServer struct {
	t      *testing.T
	clock  *fakeClock
	watch  *Watch
	cgroup string
	cpu    time.Duration

	keptAwakeBy  string
	keepAwakeErr error
}

func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	f := &fakeServer{t: t, clock: &fakeClock{}, cgroup: t.TempDir()}
	write(t, f.cgroup, "cgroup.events", "")
	f.use(0)
	f.watch = New(Config{
		Clock:    f.clock.read,
		Interval: 15 * time.Second, Window: time.Minute, GPUInterval: time.Minute,
		CgroupDir: f.cgroup, ProcDir: t.TempDir(),
		KeptAwakeBy: func(time.Duration) (string, error) { return f.keptAwakeBy, f.keepAwakeErr },
		GPU:         &gpu.Reader{},
	})
	f.watch.cpu.own = func() (time.Duration, error) { return 0, nil }
	f.watch.sample()
	return f
}

// use makes the server use more CPU time.
func (f *fakeServer) use(more time.Duration) {
	f.t.Helper()
	f.cpu += more
	write(f.t, f.cgroup, "cpu.stat", "usage_usec "+strconv.FormatInt(f.cpu.Microseconds(), 10)+"\n")
}

// pass lets time pass, and calls do every 15 seconds of it.
func (f *fakeServer) pass(during time.Duration, do func()) {
	f.t.Helper()
	f.clock.pass(during, do, f.watch.sample)
}

func (f *fakeServer) signal(name string) agentapi.Signal {
	f.t.Helper()
	for _, s := range f.watch.Signals() {
		if s.Name == name {
			return s
		}
	}
	f.t.Fatalf("the signal %s does not exist", name)
	return agentapi.Signal{}
}

func (f *fakeServer) check(name string, idle float64, value string) {
	f.t.Helper()
	if got := f.signal(name); got.IdleSeconds != idle || !strings.Contains(got.Value, value) {
		f.t.Errorf("at %v: got %+v, want idle %v and %q", f.clock.now, got, idle, value)
	}
}

// checkResources compares what Resources returns. Measured figures are pointers,
// which are nil while they are not known.
func (f *fakeServer) checkResources(want agentapi.Resources) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.watch.Resources()); diff != "" {
		f.t.Errorf("at %v: resources (-want +got):\n%s", f.clock.now, diff)
	}
}

func TestCPUSignal(t *testing.T) {
	f := newFakeServer(t)
	f.check(agentapi.SignalCPU, -1, "CPU not measured yet")
	f.checkResources(agentapi.Resources{})
	// What editors and shells use.
	f.pass(10*time.Minute, func() { f.use(time.Second) }) // 66 thousandths
	f.check(agentapi.SignalCPU, -1, "CPU 6%")
	// Exactly the threshold counts.
	f.pass(2*time.Minute, func() { f.use(1500 * time.Millisecond) })
	f.check(agentapi.SignalCPU, 0, "CPU 10%")
	// The average of the next minute includes the end of the activity.
	f.pass(time.Hour, nil)
	f.check(agentapi.SignalCPU, 3600, "CPU 0%")
	// Several cores are more than 100%.
	f.pass(time.Minute, func() { f.use(60 * time.Second) })
	f.check(agentapi.SignalCPU, 0, "CPU 400%")
	f.checkResources(agentapi.Resources{CPUUsedMillis: new(int64(4000))})
	// A burst that stays below the threshold over a minute is not activity. The
	// average includes the one before for 45 more seconds.
	f.pass(time.Hour, nil)
	f.check(agentapi.SignalCPU, 3555, "CPU 0%")
	f.use(5500 * time.Millisecond)
	f.pass(time.Minute, nil)
	f.check(agentapi.SignalCPU, 3615, "CPU 9%")
}

// TestAgentsOwnTimeDoesNotCount shows that the CPU time of the agent and of nvidia-smi
// is not activity.
func TestAgentsOwnTimeDoesNotCount(t *testing.T) {
	smi := filepath.Join(t.TempDir(), "nvidia-smi")
	write(t, filepath.Dir(smi), "nvidia-smi", "#!/bin/sh\ni=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo 1\n")
	if err := os.Chmod(smi, 0o700); err != nil {
		t.Fatal(err)
	}
	reader := &gpu.Reader{Command: smi}
	ctx, cancel := context.WithCancel(t.Context())
	reader.Run(ctx, time.Hour, func(r gpu.Reading) {
		if r.Err == nil {
			cancel()
		}
	})
	before, err := agentTime()
	if err != nil || before <= 0 || reader.Spent() <= 0 {
		t.Fatalf("the agent used %v, nvidia-smi %v: %v", before, reader.Spent(), err)
	}
	own, err := New(Config{GPU: reader}).cpu.own()
	if err != nil || own < before+reader.Spent() {
		t.Errorf("subtracted %v, error %v; the agent used %v, nvidia-smi %v", own, err, before, reader.Spent())
	}
}

func TestKeepAwakeSignal(t *testing.T) {
	f := newFakeServer(t)
	f.check(agentapi.SignalKeep, -1, "")
	f.keptAwakeBy = "torchrun (over night)"
	f.pass(time.Hour, nil)
	f.check(agentapi.SignalKeep, 0, "torchrun (over night)")
	f.keptAwakeBy = ""
	f.pass(time.Hour, nil)
	f.check(agentapi.SignalKeep, 3600, "")
}

func TestGPUSignal(t *testing.T) {
	f := newFakeServer(t)
	for _, s := range f.watch.Signals() {
		if s.Name == agentapi.SignalGPU {
			t.Errorf("without a GPU: got %+v", s)
		}
	}
	f.pass(time.Minute, nil)
	read := func(r gpu.Reading) { f.watch.readGPU(r) }
	read(gpu.Reading{Percent: 1})
	f.check(agentapi.SignalGPU, -1, "GPU 1%")
	read(gpu.Reading{Count: 4, Percent: 2})
	f.check(agentapi.SignalGPU, 0, "GPU 2%")
	f.pass(time.Minute, nil)
	read(gpu.Reading{Percent: 0})
	f.check(agentapi.SignalGPU, 60, "GPU 0%")
	// A faulty driver, and one that no longer answers.
	read(gpu.Reading{Err: errors.New("lost")})
	f.check(agentapi.SignalGPU, 0, "GPU unknown: lost")
	cpu := new(int64(0))
	f.checkResources(agentapi.Resources{CPUUsedMillis: cpu, GPUs: 4}) // The number is the one that was read before.
	f.pass(time.Minute, nil)
	read(gpu.Reading{Percent: 0})
	f.checkResources(agentapi.Resources{CPUUsedMillis: cpu, GPUs: 4, GPUPercent: new(int64(0))})
	f.pass(4*time.Minute, nil)
	f.check(agentapi.SignalGPU, 300, "GPU 0%")
	f.pass(15*time.Second, nil)
	f.check(agentapi.SignalGPU, 0, "GPU unknown")
	f.checkResources(agentapi.Resources{CPUUsedMillis: cpu, GPUs: 4})
	// GPUs that do not report their utilization can be left out.
	f.watch.SetThresholds(agentapi.Thresholds{GPUPercent: 101})
	for _, s := range f.watch.Signals() {
		if s.Name == agentapi.SignalGPU {
			t.Errorf("with a threshold of 101: got %+v", s)
		}
	}
}

func TestUnknownCountsAsActive(t *testing.T) {
	f := newFakeServer(t)
	f.pass(time.Hour, nil)
	write(t, f.cgroup, "cpu.stat", "nonsense")
	f.keepAwakeErr = errors.New("the folder is on fire")
	f.pass(15*time.Second, nil)
	f.check(agentapi.SignalCPU, 0, "CPU unknown: ")
	f.checkResources(agentapi.Resources{})
	f.check(agentapi.SignalKeep, 0, "keep-awake unknown: the folder is on fire")
	// Once it is known again, the last moment at which it was not is the last activity.
	f.use(0)
	f.keepAwakeErr = nil
	f.pass(time.Hour, nil)
	f.check(agentapi.SignalCPU, 3600, "CPU 0%")
	f.check(agentapi.SignalKeep, 3600, "")
}

// TestStaleFiguresAreUnknown shows that a sampler that hangs does not look like an idle
// server.
func TestStaleFiguresAreUnknown(t *testing.T) {
	f := newFakeServer(t)
	f.pass(time.Hour, nil)
	f.clock.now += time.Minute
	f.check(agentapi.SignalCPU, -1, "CPU 0%")
	f.clock.now += time.Second
	for _, name := range []string{agentapi.SignalCPU, agentapi.SignalKeep} {
		f.check(name, 0, "unknown")
	}
	f.checkResources(agentapi.Resources{})
}

func TestLowerThresholdCountsAsActive(t *testing.T) {
	f := newFakeServer(t)
	f.watch.readGPU(gpu.Reading{Percent: 0})
	f.pass(time.Minute, nil)
	// The defaults, and higher thresholds, change nothing.
	f.watch.SetThresholds(agentapi.Thresholds{CPUMillis: agentapi.DefaultCPUMillis})
	f.watch.SetThresholds(agentapi.Thresholds{CPUMillis: 200, GPUPercent: 10})
	for _, name := range []string{agentapi.SignalCPU, agentapi.SignalGPU} {
		if got := f.signal(name); got.IdleSeconds >= 0 {
			t.Errorf("with a higher threshold: got %+v, want it idle", got)
		}
	}
	f.watch.SetThresholds(agentapi.Thresholds{})
	for _, name := range []string{agentapi.SignalCPU, agentapi.SignalGPU} {
		f.check(name, 0, "")
	}
	// Figures are compared with the new thresholds.
	f.watch.SetThresholds(agentapi.Thresholds{CPUMillis: 500})
	f.pass(time.Hour, func() { f.use(6 * time.Second) }) // 400
	f.check(agentapi.SignalCPU, 3600, "CPU 40%")
}

func TestRefresh(t *testing.T) {
	f := newFakeServer(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if f.watch.Refresh(ended) {
		t.Error("Refresh returned true, but Run does not run")
	}
	f.watch.cfg.GPU = &gpu.Reader{Command: "/no/such/nvidia-smi"}
	f.watch.cfg.Interval = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.watch.Run(ctx)
	}()
	if !f.watch.Refresh(t.Context()) {
		t.Error("Refresh returned false")
	}
	stop()
	<-done
	// Signals have what a sample found at once.
	f.keptAwakeBy = "something"
	f.watch.sample()
	f.check(agentapi.SignalKeep, 0, "something")
}
