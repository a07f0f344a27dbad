package spawner

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// farewell is how long the spawner waits for killed processes to end, and then for the SSH
// server to learn how its processes ended.
const farewell = 2 * time.Second

// end asks all processes to end, and kills those that have not ended after the grace
// period. It returns when they have ended and the SSH server knows how.
func (s *Server) end(signals <-chan os.Signal) {
	s.log.Info("stopping", "grace", s.cfg.Grace.String())
	s.mu.Lock()
	s.stopping.Store(true) // under the lock, so that no process starts later
	s.mu.Unlock()
	s.each(func(p *process) {
		// As PID 1, the spawner sends SIGTERM to all processes below. Some programs act
		// differently on a second SIGTERM, so they must not get one here too.
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
				return // A process hangs in the kernel. The container runtime has to end it.
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

// signalOthers signals all processes of the container. If the spawner is not PID 1, it
// does nothing, because the processes may belong to other programs.
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
