package spawner

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// farewell is how long the SSH server may take to be told how its processes ended.
const farewell = 2 * time.Second

// end asks all processes to end, and kills those that have not ended after the grace
// period. It returns when they have ended and the SSH server knows how.
func (s *Server) end(signals <-chan os.Signal) {
	s.log.Info("stopping", "grace", s.cfg.Grace.String())
	s.mu.Lock()
	s.stopping.Store(true) // under the lock, so that no process starts later
	s.mu.Unlock()
	s.each(func(p *process) {
		// Two signals of the same kind could mean more than one.
		if !s.isInit || p.terminal != nil {
			p.askToEnd()
		}
	})
	s.signalOthers(syscall.SIGTERM)
	grace := time.NewTimer(s.cfg.Grace)
	defer grace.Stop()
	killed := false
	for s.reaper.collect() && (s.isInit || s.reaper.count() > 0) {
		select {
		case <-signals:
		case <-grace.C:
			if killed {
				return // A process hangs in the kernel. The runtime ends the container.
			}
			killed = true
			s.each((*process).kill)
			s.signalOthers(syscall.SIGKILL)
			grace.Reset(farewell)
		}
	}
	told := make(chan struct{})
	go func() {
		s.sessions.Wait()
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(farewell):
	}
}

// signalOthers signals all processes of the container. A spawner that is not PID 1
// signals only those of sessions.
func (s *Server) signalOthers(signal syscall.Signal) {
	if !s.isInit {
		return
	}
	if err := syscall.Kill(-1, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.log.Warn("cannot signal all processes", "signal", signal.String(), "error", err)
	}
}

// each calls do for each process that runs.
func (s *Server) each(do func(*process)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.running {
		do(p)
	}
}
