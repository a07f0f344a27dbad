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

// Config is what a Watch looks at.
type Config struct {
	Clock   Clock
	Traffic *Traffic
	// Interval is how often the box is sampled; Window is what CPU time and
	// bytes are averaged over.
	Interval, Window time.Duration
	// CgroupDir and ProcDir are where the box's CPU time is found.
	CgroupDir, ProcDir string
	// TerminalDir is where the box's pseudo-terminals are.
	TerminalDir string
	// Kept names what asks for the box to be kept, or is empty.
	Kept func(now time.Duration) (string, error)
	// GPU reads the box's GPUs, every GPUInterval.
	GPU         *gpu.Reader
	GPUInterval time.Duration
}

// Watch knows of each kind of work when there was some last.
type Watch struct {
	cfg     Config
	cpu     cpuTime
	ptys    terminals
	refresh chan chan<- struct{}

	mu    sync.Mutex
	least agentapi.Thresholds // what counts as work

	cpuPace, sshPace pace
	ssh, cpuUse      figure
	kept, gpuUse     figure
	elsewhere        figure // what is typed, beside the SSH server's terminals
	hasGPU           bool
	sampled, gpuRead time.Duration // when that was last
}

// New makes a Watch, which Run then keeps.
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
		sshPace: pace{span: cfg.Window},
		ssh:     figure{value: "ssh not measured yet"},
		cpuUse:  figure{value: "CPU not measured yet"},
		kept:    figure{value: "keep not looked at yet"},
	}
}

// Run samples until ctx ends.
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

// Refresh samples now. It reports false if that takes longer than ctx does: a
// file system that hangs must not hang those who ask.
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

// SetThresholds says what counts as work from now on. Where less suffices than
// before, nobody has looked for it: so it counts as if there had been some.
func (w *Watch) SetThresholds(least agentapi.Thresholds) {
	least = least.WithDefaults()
	now := w.cfg.Clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if least.CPUMillis < w.least.CPUMillis {
		w.cpuUse.worked.set(now)
	}
	if least.SSHBytes < w.least.SSHBytes {
		w.ssh.worked.set(now)
	}
	if least.GPUPercent < w.least.GPUPercent {
		w.gpuUse.worked.set(now)
	}
	w.least = least
}

// sample looks at everything but the GPUs once. It waits for files without
// holding the lock.
func (w *Watch) sample() {
	used, cpuErr := w.cpu.used()
	kept, keepErr := w.cfg.Kept(w.cfg.Clock())
	typed, typedErr := w.ptys.used()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.cfg.Clock()
	w.sampled = now
	w.sampleCPU(now, used, cpuErr)
	w.sampleSSH(now)
	w.elsewhere.value = ""
	switch {
	case typedErr != nil:
		w.elsewhere.unknown(now, "other terminals", typedErr)
	case typed:
		w.elsewhere.worked.set(now)
	}
	switch {
	case keepErr != nil:
		w.kept.unknown(now, "keep", keepErr)
	case kept != "":
		w.kept.worked.set(now)
		w.kept.value = kept
	default:
		w.kept.value = ""
	}
}

func (w *Watch) sampleCPU(now, used time.Duration, err error) {
	if err != nil {
		w.cpuUse.unknown(now, "CPU", err)
		return
	}
	w.cpuPace.add(now, int64(used))
	rise, in := w.cpuPace.rise()
	if in <= 0 {
		return
	}
	millis := int64(float64(rise) / float64(in) * 1000)
	if millis >= w.least.CPUMillis {
		w.cpuUse.worked.set(now)
	}
	w.cpuUse.value = fmt.Sprintf("CPU %d%%", millis/10)
}

func (w *Watch) sampleSSH(now time.Duration) {
	w.sshPace.add(now, w.cfg.Traffic.carried.Load())
	bytes, in := w.sshPace.rise()
	// Bytes of less than a whole window are not made more than they are.
	perMinute := int64(float64(bytes) * float64(time.Minute) / float64(max(in, w.cfg.Window)))
	silent := perMinute < w.least.SSHBytes
	if !silent {
		w.ssh.worked.set(now)
	}
	w.ssh.value = w.cfg.Traffic.describe(perMinute, silent)
}

// readGPU takes what the GPUs say.
func (w *Watch) readGPU(r gpu.Reading) {
	now := w.cfg.Clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hasGPU, w.gpuRead = !r.Absent, now
	switch {
	case r.Absent:
	case r.Err != nil:
		w.gpuUse.unknown(now, "GPU", r.Err)
	default:
		if r.Percent >= w.least.GPUPercent {
			w.gpuUse.worked.set(now)
		}
		w.gpuUse.value = fmt.Sprintf("GPU %d%%", r.Percent)
	}
}

// patience is how many turns may be missed before a figure counts as unknown,
// and minPatience the least that it takes: a busy machine is late at times.
const (
	patience    = 4
	minPatience = time.Minute
)

func stale(age, interval time.Duration) bool { return age > max(patience*interval, minPatience) }

var errStale = errors.New("it has not been measured for a while")

// Signals are all kinds of work that the box can see.
func (w *Watch) Signals() []agentapi.Signal {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.cfg.Clock()
	if stale(now-w.sampled, w.cfg.Interval) {
		w.ssh.unknown(now, "ssh", errStale)
		w.cpuUse.unknown(now, "CPU", errStale)
		w.kept.unknown(now, "keep", errStale)
	}
	ssh := w.ssh.signal(agentapi.SignalSSH, now)
	ssh.IdleSeconds = idleSeconds(younger(w.ssh.worked.age(now), w.cfg.Traffic.started.age(now)))
	signals := []agentapi.Signal{
		w.terminal(now),
		ssh,
		w.cpuUse.signal(agentapi.SignalCPU, now),
	}
	if w.hasGPU && w.least.GPUPercent <= 100 {
		if stale(now-w.gpuRead, w.cfg.GPUInterval) {
			w.gpuUse.unknown(now, "GPU", errStale)
		}
		signals = append(signals, w.gpuUse.signal(agentapi.SignalGPU, now))
	}
	return append(signals, w.kept.signal(agentapi.SignalKeep, now))
}

// Up is how long the box has been watched.
func (w *Watch) Up() time.Duration { return w.cfg.Clock() }

// figure is what is known of one kind of work that is sampled.
type figure struct {
	worked latch
	value  string
}

// unknown is a figure that cannot be read: it counts as work.
func (f *figure) unknown(now time.Duration, what string, err error) {
	f.worked.set(now)
	f.value = fmt.Sprintf("%s unknown: %v", what, err)
}

func (f *figure) signal(name string, now time.Duration) agentapi.Signal {
	return agentapi.Signal{Name: name, IdleSeconds: idleSeconds(f.worked.age(now)), Value: f.value}
}
