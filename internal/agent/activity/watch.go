package activity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"devserver.io/devserver/internal/agent/gpu"
	"devserver.io/devserver/internal/agentapi"
)

// Config has the settings of a Watch.
type Config struct {
	Clock Clock
	// Interval is how often the server is sampled. Window is the time over which CPU
	// time is averaged.
	Interval, Window time.Duration
	// CgroupDir is the folder of the container's control group, and ProcDir is /proc.
	// The server's CPU time is read from CgroupDir or, if that is impossible, from
	// ProcDir.
	CgroupDir, ProcDir string
	// TerminalDir is the folder of pseudo-terminals, /dev/pts.
	TerminalDir string
	// KeptAwakeBy returns the name of what keeps the server awake, or "" if nothing
	// does.
	KeptAwakeBy func(now time.Duration) (string, error)
	// GPU reads the server's GPUs, once in every GPUInterval.
	GPU         *gpu.Reader
	GPUInterval time.Duration
}

// Watch records when each kind of activity of processes last happened.
type Watch struct {
	cfg     Config
	cpu     cpuTime
	ptys    terminals
	refresh chan chan<- struct{}

	mu    sync.Mutex
	least agentapi.Thresholds // the thresholds of activity

	cpuPace           pace
	cpuUse            figure
	keepAwake, gpuUse figure
	elsewhere         figure // input on terminals that the SSH server did not open
	hasGPU            bool
	measured          agentapi.Resources // CPU time and GPUs, as last measured
	sampled, gpuRead  time.Duration      // when the last sample and the last GPU reading were taken
}

// New returns a Watch, which measures nothing until Run is called.
func New(cfg Config) *Watch {
	own := func() (time.Duration, error) {
		agent, err := agentTime()
		return agent + cfg.GPU.Spent(), err
	}
	return &Watch{
		cfg:     cfg,
		cpu:     newCPUTime(cfg.CgroupDir, cfg.ProcDir, own),
		ptys:    terminals{dir: cfg.TerminalDir},
		refresh: make(chan chan<- struct{}),
		least:   agentapi.Thresholds{}.WithDefaults(),
		cpuPace: pace{span: cfg.Window},
		cpuUse:  figure{value: "CPU not measured yet"},
	}
}

// Run takes samples until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	go w.cfg.GPU.Run(ctx, w.cfg.GPUInterval, w.readGPU)
	ticker := time.NewTicker(w.cfg.Interval)
	defer ticker.Stop()
	for {
		w.sample()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case asked := <-w.refresh:
			w.sample()
			close(asked)
		}
	}
}

// Refresh takes a sample now. It returns false if ctx ends before the sample is
// complete, for example because a file system hangs.
func (w *Watch) Refresh(ctx context.Context) bool {
	done := make(chan struct{})
	select {
	case w.refresh <- done:
	case <-ctx.Done():
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// SetThresholds sets what counts as activity from now on. If the threshold of a signal
// becomes lower, the signal counts as active now, because activity between the two
// thresholds has not been recorded.
func (w *Watch) SetThresholds(least agentapi.Thresholds) {
	least = least.WithDefaults()
	now := w.cfg.Clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if least.CPUMillis < w.least.CPUMillis {
		w.cpuUse.active.set(now)
	}
	if least.GPUPercent < w.least.GPUPercent {
		w.gpuUse.active.set(now)
	}
	w.least = least
}

// sample measures everything except the GPUs once. It does not hold the lock while
// it reads files.
func (w *Watch) sample() {
	used, cpuErr := w.cpu.used()
	keptAwakeBy, keepAwakeErr := w.cfg.KeptAwakeBy(w.cfg.Clock())
	typed, typedErr := w.ptys.used()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.cfg.Clock()
	w.sampled = now
	w.sampleCPU(now, used, cpuErr)
	w.elsewhere.value = ""
	switch {
	case typedErr != nil:
		w.elsewhere.unknown(now, "other terminals", typedErr)
	case typed:
		w.elsewhere.active.set(now)
	}
	switch {
	case keepAwakeErr != nil:
		w.keepAwake.unknown(now, "keep-awake", keepAwakeErr)
	case keptAwakeBy != "":
		w.keepAwake.active.set(now)
		w.keepAwake.value = keptAwakeBy
	default:
		w.keepAwake.value = ""
	}
}

func (w *Watch) sampleCPU(now, used time.Duration, err error) {
	if err != nil {
		w.cpuUse.unknown(now, "CPU", err)
		w.measured.CPUUsedMillis = nil
		return
	}
	w.cpuPace.add(now, int64(used))
	rise, in := w.cpuPace.rise()
	if in <= 0 {
		return
	}
	millis := int64(float64(rise) / float64(in) * 1000)
	if millis >= w.least.CPUMillis {
		w.cpuUse.active.set(now)
	}
	w.cpuUse.value = fmt.Sprintf("CPU %d%%", millis/10)
	w.measured.CPUUsedMillis = &millis
}

// readGPU records a reading of the GPUs.
func (w *Watch) readGPU(r gpu.Reading) {
	now := w.cfg.Clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hasGPU, w.gpuRead = !r.Absent, now
	if r.Absent || r.Count > 0 {
		w.measured.GPUs = r.Count
	}
	w.measured.GPUPercent = nil
	switch {
	case r.Absent:
	case r.Err != nil:
		w.gpuUse.unknown(now, "GPU", r.Err)
	default:
		if r.Percent >= w.least.GPUPercent {
			w.gpuUse.active.set(now)
		}
		w.gpuUse.value = fmt.Sprintf("GPU %d%%", r.Percent)
		w.measured.GPUPercent = &r.Percent
	}
}

// A figure counts as unknown if its last measurement is older than both minPatience and
// patience times the interval. On a busy node, measurements can be late.
const (
	patience    = 4
	minPatience = time.Minute
)

func stale(age, interval time.Duration) bool { return age > max(patience*interval, minPatience) }

var errStale = errors.New("it has not been measured for a while")

// Signals returns a signal for each kind of activity that can be measured.
func (w *Watch) Signals() []agentapi.Signal {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.cfg.Clock()
	if stale(now-w.sampled, w.cfg.Interval) {
		w.cpuUse.unknown(now, "CPU", errStale)
		w.keepAwake.unknown(now, "keep-awake", errStale)
	}
	signals := []agentapi.Signal{
		w.terminal(now),
		w.cpuUse.signal(agentapi.SignalCPU, now),
	}
	if w.hasGPU && w.least.GPUPercent <= 100 {
		if stale(now-w.gpuRead, w.cfg.GPUInterval) {
			w.gpuUse.unknown(now, "GPU", errStale)
		}
		signals = append(signals, w.gpuUse.signal(agentapi.SignalGPU, now))
	}
	return append(signals, w.keepAwake.signal(agentapi.SignalKeep, now))
}

// Resources returns the CPU time in use, the number of GPUs, and how busy they are. It
// leaves the other fields empty. The CPU time and the GPUs' use are nil if they have not
// been measured for a while.
func (w *Watch) Resources() agentapi.Resources {
	w.mu.Lock()
	defer w.mu.Unlock()
	measured, now := w.measured, w.cfg.Clock()
	if stale(now-w.sampled, w.cfg.Interval) {
		measured.CPUUsedMillis = nil
	}
	if stale(now-w.gpuRead, w.cfg.GPUInterval) {
		measured.GPUPercent = nil
	}
	return measured
}

// Up returns how long the server has been watched.
func (w *Watch) Up() time.Duration { return w.cfg.Clock() }

// figure has the state of one kind of activity that is sampled.
type figure struct {
	active latch
	value  string
}

// unknown records that the figure cannot be measured, which counts as active.
func (f *figure) unknown(now time.Duration, what string, err error) {
	f.active.set(now)
	f.value = fmt.Sprintf("%s unknown: %v", what, err)
}

func (f *figure) signal(name string, now time.Duration) agentapi.Signal {
	return agentapi.Signal{Name: name, IdleSeconds: idleSeconds(f.active.age(now)), Value: f.value}
}
