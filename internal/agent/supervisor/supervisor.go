// Package supervisor is PID 1 of the main container. It runs the agent's SSH server,
// `devserver-agent serve`, as its child, restarts it after a crash, and reaps
// processes whose parents have ended.
//
// It is a separate process that does nothing else, so a crash of the SSH server ends
// the SSH connections only. Processes of tmux and nohup, which are not children of
// the SSH server, continue.
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

// ExitUnusable is the SSH server's exit code for a fault that a restart cannot
// repair, such as a missing host key.
const ExitUnusable = 78 // EX_CONFIG of sysexits.h

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// steady is how long the SSH server must have run for its next crash to count as
	// the first.
	steady = time.Minute
	// overtime is how long the SSH server, which kills its sessions after the grace
	// period, may take to end in order before everything is killed: its clients get
	// an exit status, and time to hang up.
	overtime = 5 * time.Second
)

// Config is what a supervisor runs.
type Config struct {
	// Command is the SSH server's executable and arguments.
	Command []string
	// Grace is how long processes may take to end after SIGTERM.
	Grace  time.Duration
	Logger *slog.Logger
}

// supervisor is used by the goroutine of Run only.
type supervisor struct {
	cfg Config
	// isInit is set if this is PID 1, to which all processes of the container belong.
	isInit bool

	server    int // the PID of the SSH server, or 0 while it does not run
	startedAt time.Time
	backoff   time.Duration
	restart   <-chan time.Time // nil while no restart is scheduled
	restarted bool             // the first SSH server has ended

	stopping bool
	deadline <-chan time.Time // nil while not stopping
}

// Run runs the SSH server until SIGTERM or SIGINT arrives, and returns the exit code.
func Run(cfg Config) (int, error) {
	// The kernel sends Pdeathsig when the thread that started the child ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &supervisor{cfg: cfg, isInit: os.Getpid() == 1}
	// In a pod that shares its process namespace, another process is PID 1.
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
		case <-s.restart:
			s.restart = nil
			if err := s.start(); err != nil {
				s.cfg.Logger.Error("the SSH server does not start", "error", err)
				s.scheduleRestart()
			}
		case <-s.deadline:
			s.killAll(syscall.SIGKILL)
		}
		if code, done := s.reap(); done {
			return code, nil
		}
	}
}

// start starts the SSH server. It uses ForkExec, not os.StartProcess, because reap
// waits for every child.
func (s *supervisor) start() error {
	pid, err := syscall.ForkExec(s.cfg.Command[0], s.cfg.Command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		// If this is not PID 1, the SSH server must end with the supervisor.
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM},
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.cfg.Command[0], err)
	}
	s.server, s.startedAt = pid, time.Now()
	return nil
}

// stop asks every process to end. When the grace period is over, they are killed.
func (s *supervisor) stop() {
	if s.stopping {
		return
	}
	s.stopping = true
	s.cfg.Logger.Info("stopping", "grace", s.cfg.Grace.String())
	s.restart = nil
	s.deadline = time.After(s.cfg.Grace + overtime)
	s.killAll(syscall.SIGTERM)
}

// killAll signals all processes if this is PID 1, and the SSH server otherwise.
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

// reap reaps every process that has ended. It returns done, with the exit code, when
// the supervisor should end.
func (s *supervisor) reap() (code int, done bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || pid == 0:
			// Processes may outlive a supervisor that is not PID 1.
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
	s.cfg.Logger.Error("the SSH server ended and is restarted",
		"how", describe(status), "ran", time.Since(s.startedAt).Round(time.Millisecond).String())
	s.scheduleRestart()
	return 0, false
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// scheduleRestart restarts the SSH server: at once after the first crash, and later
// after each further one.
func (s *supervisor) scheduleRestart() {
	if time.Since(s.startedAt) > steady {
		s.backoff = 0
	}
	s.restart = time.After(s.backoff)
	s.backoff = min(max(2*s.backoff, firstBackoff), lastBackoff)
}
