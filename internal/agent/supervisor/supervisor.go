// Package supervisor is the box's PID 1. It runs the agent's server as its
// child, starts it again when it crashes, and reaps every process that lost
// its parent.
//
// It is a process of its own, and does nothing else, so that a crash of the
// server takes only the SSH connections along: tmux and nohup jobs are no
// children of the server any more, and live on.
package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ExitUnusable is the server's exit code for a fault that starting it again
// cannot mend, such as a missing host key.
const ExitUnusable = 78 // EX_CONFIG of sysexits.h

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// steady is how long the server must live for the next crash to count as
	// the first.
	steady = time.Minute
	// overtime lets the server, which kills its sessions after the grace, end
	// in order before everything is killed: its clients are told, and have a
	// moment to hang up.
	overtime = 5 * time.Second
)

// Config is what the supervisor runs.
type Config struct {
	// Command is the server's executable and arguments.
	Command []string
	// Grace is how long processes may take to end after SIGTERM.
	Grace  time.Duration
	Logger *slog.Logger
}

// supervisor is only used by the goroutine that Run runs on.
type supervisor struct {
	cfg Config
	// isInit is set if this is PID 1, to which all of the box belongs.
	isInit bool

	server    int // the server's process id; 0 while there is none
	startedAt time.Time
	backoff   time.Duration
	restart   *time.Timer
	restarted bool // the first server has come and gone

	stopping bool
	deadline *time.Timer
}

// Run runs the server until SIGTERM or SIGINT arrives, and gives the exit code.
func Run(cfg Config) (int, error) {
	// Pdeathsig goes off when the thread that started the server ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &supervisor{
		cfg:      cfg,
		isInit:   os.Getpid() == 1,
		restart:  stoppedTimer(),
		deadline: stoppedTimer(),
	}
	// In a pod that shares its process namespace somebody else is PID 1.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, fmt.Errorf("becoming the reaper of orphaned processes: %w", err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	if err := s.start(); err != nil {
		return 1, err
	}
	for {
		select {
		case received := <-signals:
			if received != syscall.SIGCHLD {
				s.stop()
			}
		case <-s.restart.C:
			if err := s.start(); err != nil {
				s.cfg.Logger.Error("the server does not start", "error", err)
				s.scheduleRestart()
			}
		case <-s.deadline.C:
			s.killAll(syscall.SIGKILL)
		}
		if code, done := s.reap(); done {
			return code, nil
		}
	}
}

func stoppedTimer() *time.Timer {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return timer
}

// start starts the server. It uses ForkExec, not os.StartProcess: reap waits
// for every child itself.
func (s *supervisor) start() error {
	pid, err := syscall.ForkExec(s.cfg.Command[0], s.cfg.Command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		// Without PID 1 nobody would end the server after the supervisor.
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM},
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.cfg.Command[0], err)
	}
	s.server, s.startedAt = pid, time.Now()
	return nil
}

// stop ends the box: every process is asked, and killed when the grace is over.
func (s *supervisor) stop() {
	if s.stopping {
		return
	}
	s.stopping = true
	s.cfg.Logger.Info("stopping", "grace", s.cfg.Grace.String())
	s.restart.Stop()
	s.deadline.Reset(s.cfg.Grace + overtime)
	s.killAll(syscall.SIGTERM)
}

// killAll signals all of the box if it is ours, else the server only.
func (s *supervisor) killAll(sig syscall.Signal) {
	target := s.server
	if s.isInit {
		target = -1
	}
	if target == 0 {
		return
	}
	if err := syscall.Kill(target, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.cfg.Logger.Warn("cannot signal", "target", target, "signal", sig.String(), "error", err)
	}
}

// reap collects every process that has ended, and says when all is over.
func (s *supervisor) reap() (code int, done bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || pid == 0:
			// Whatever is left outlives a supervisor that is not PID 1.
			noneLeft := errors.Is(err, syscall.ECHILD)
			return 0, s.stopping && s.server == 0 && (noneLeft || !s.isInit)
		case pid == s.server:
			if code, done := s.serverEnded(status); done {
				return code, true
			}
		}
	}
}

func (s *supervisor) serverEnded(status syscall.WaitStatus) (code int, done bool) {
	s.server = 0
	if s.stopping {
		return 0, false
	}
	if !s.restarted && status.ExitStatus() == ExitUnusable {
		return 1, true
	}
	s.restarted = true
	s.cfg.Logger.Error("the server ended and is started again",
		"how", describe(status), "lived", time.Since(s.startedAt).Round(time.Millisecond).String())
	s.scheduleRestart()
	return 0, false
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// scheduleRestart starts the server again, at once the first time, and ever
// later if it keeps crashing.
func (s *supervisor) scheduleRestart() {
	if time.Since(s.startedAt) > steady {
		s.backoff = 0
	}
	s.restart.Reset(s.backoff)
	s.backoff = min(max(2*s.backoff, firstBackoff), lastBackoff)
}
