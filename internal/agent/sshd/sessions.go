package sshd

import (
	"maps"
	"slices"
	"sync"
	"time"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// sessions holds the processes of sessions that have not ended yet, and decides whether
// more may start.
type sessions struct {
	traffic *activity.Traffic

	mu      sync.Mutex
	running map[*spawnapi.Process]bool
	ending  bool
	// drained is when the drain ends. Until then, no process is started.
	drained time.Time
	open    sync.WaitGroup
}

// exitUnavailable is the exit code of ssh when it cannot connect. Scripts that
// retry on this code also retry while the server is being suspended.
const exitUnavailable = 255

const beingSuspended = "This server is being suspended. Connect again in a minute to wake it."

// begin returns nil if a process may start. The caller must then call done once its
// client has received everything, or if it does not start.
func (s *sessions) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: "This server is stopping.\n"}
	}
	if s.isDrained() {
		return &spawnapi.Refusal{Code: exitUnavailable, Text: beingSuspended + "\n"}
	}
	s.traffic.Started()
	s.open.Add(1)
	return nil
}

func (s *sessions) done() { s.open.Done() }

func (s *sessions) add(p *spawnapi.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.running = map[*spawnapi.Process]bool{}
	}
	s.running[p] = true
}

func (s *sessions) remove(p *spawnapi.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, p)
}

// drain refuses to start processes for a time if the server is idle, and reports
// whether it is. A process that starts at the same time either comes first, and
// then the server is not idle, or comes later and is refused.
func (s *sessions) drain(idle func() bool, during time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !idle() {
		return false
	}
	s.drained = time.Now().Add(during)
	return true
}

// release ends a drain.
func (s *sessions) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = time.Time{}
}

// isDrained reports whether a drain is in effect. The caller holds the lock.
func (s *sessions) isDrained() bool { return time.Now().Before(s.drained) }

// mayForward reports whether a client may open a new forwarded connection.
func (s *sessions) mayForward() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.isDrained()
}

// refuse refuses further processes, because the server is stopping.
func (s *sessions) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
}

// hangUpAll hangs up all terminals.
func (s *sessions) hangUpAll() {
	s.mu.Lock()
	running := slices.Collect(maps.Keys(s.running))
	s.mu.Unlock()
	for _, p := range running {
		go p.HangUp() // can block, if the spawner does not read
	}
}

// await waits until all sessions have ended, but at most for the given time: a process
// that has left its session's process group may keep the session's output open.
func (s *sessions) await(most time.Duration) {
	over := make(chan struct{})
	go func() {
		s.open.Wait()
		close(over)
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	}
}
