package activity

import (
	"context"
	"sync"
	"time"

	"devserver.io/devserver/internal/agentapi"
)

// Clients records when the clients of the SSH server were last active.
type Clients struct {
	traffic          *Traffic
	interval, window time.Duration

	mu      sync.Mutex
	least   int64 // the threshold in bytes a minute
	pace    pace
	ssh     figure
	sampled time.Duration // when the last sample was taken
}

// NewClients returns a Clients, which measures nothing until Run is called. It samples
// once per interval, and averages bytes over window.
func NewClients(traffic *Traffic, interval, window time.Duration) *Clients {
	return &Clients{
		traffic:  traffic,
		interval: interval,
		window:   window,
		least:    agentapi.DefaultSSHBytes,
		pace:     pace{span: window},
		ssh:      figure{value: "ssh not measured yet"},
	}
}

// Run takes samples until ctx ends.
func (c *Clients) Run(ctx context.Context) {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	for {
		c.Sample()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sample takes a sample now.
func (c *Clients) Sample() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.traffic.clock()
	c.sampled = now
	c.pace.add(now, c.traffic.carried.Load())
	bytes, in := c.pace.rise()
	// Until a whole window has been measured, this divides by the window, not by the
	// shorter time measured. Otherwise, a few bytes at the start would look like a lot.
	perMinute := int64(float64(bytes) * float64(time.Minute) / float64(max(in, c.window)))
	silent := perMinute < c.least
	if !silent {
		c.ssh.active.set(now)
	}
	c.ssh.value = c.traffic.describe(perMinute, silent)
}

// SetThresholds sets what counts as activity from now on, like Watch.SetThresholds.
func (c *Clients) SetThresholds(least agentapi.Thresholds) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bytes := least.WithDefaults().SSHBytes
	if bytes < c.least {
		c.ssh.active.set(c.traffic.clock())
	}
	c.least = bytes
}

// Up returns how long clients have been watched.
func (c *Clients) Up() time.Duration { return c.traffic.clock() }

// Signals returns the signals of terminals and of connections, followed by those of the
// spawner. The spawner's signal for terminals, which covers those that the SSH server did
// not open, becomes part of the first signal.
func (c *Clients) Signals(spawner []agentapi.Signal) []agentapi.Signal {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.traffic.clock()
	if stale(now-c.sampled, c.interval) {
		c.ssh.unknown(now, "ssh", errStale)
	}
	ssh := c.ssh.signal(agentapi.SignalSSH, now)
	ssh.IdleSeconds = idleSeconds(younger(c.ssh.active.age(now), c.traffic.started.age(now)))
	signals := []agentapi.Signal{c.terminal(now), ssh}
	for _, s := range spawner {
		if s.Name == agentapi.SignalTerminal {
			signals[0] = joinTerminals(signals[0], s)
			continue
		}
		signals = append(signals, s)
	}
	return signals
}

// terminal returns the signal of the terminals that the SSH server opened.
func (c *Clients) terminal(now time.Duration) agentapi.Signal {
	typed, shown := c.traffic.typed.age(now), c.traffic.shown.age(now)
	return agentapi.Signal{
		Name:        agentapi.SignalTerminal,
		IdleSeconds: idleSeconds(younger(typed, shown)),
		Value:       happened("key", typed) + ", " + happened("output", shown),
	}
}

// joinTerminals returns the signal of all terminals.
func joinTerminals(own, elsewhere agentapi.Signal) agentapi.Signal {
	if elsewhere.IdleSeconds >= 0 && (own.IdleSeconds < 0 || elsewhere.IdleSeconds < own.IdleSeconds) {
		own.IdleSeconds = elsewhere.IdleSeconds
	}
	if elsewhere.Value != "" {
		own.Value += ", " + elsewhere.Value
	}
	return own
}

// happened formats "key 1m ago", or "no key yet".
func happened(what string, age time.Duration) string {
	if age < 0 {
		return "no " + what + " yet"
	}
	return what + " " + ago(age)
}
