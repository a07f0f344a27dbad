package sshd

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/activity"
)

// process is the command of a session. It leads its own kernel session, so its
// process id is also the id of its process group.
type process struct {
	cmd *exec.Cmd
	// terminal is the master side of its pseudo-terminal, or nil without one.
	terminal *os.File
}

// signal delivers a client's signal to the foreground job of the terminal or,
// without a terminal, to the command's process group.
func (p *process) signal(signal syscall.Signal) error {
	group := p.cmd.Process.Pid
	if p.terminal != nil {
		if foreground, err := foregroundGroup(p.terminal); err == nil && foreground > 0 {
			group = foreground
		}
	}
	return syscall.Kill(-group, signal)
}

func foregroundGroup(terminal *os.File) (group int, err error) {
	err = ioctl(terminal, func(fd int) error {
		got, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		group = got
		return err
	})
	return group, err
}

// askToEnd asks the command to end. On a terminal it sends SIGHUP, because an
// interactive shell ignores SIGTERM, but on SIGHUP it ends and ends its jobs. It
// must send SIGHUP only once: on a second one, bash exits without running its
// exit trap or hanging up its jobs.
func (p *process) askToEnd() {
	leader := p.cmd.Process.Pid
	if p.terminal == nil {
		_ = syscall.Kill(-leader, syscall.SIGTERM) // fails only if it has ended
		return
	}
	groups := []int{leader}
	if foreground, err := foregroundGroup(p.terminal); err == nil && foreground > 0 && foreground != leader {
		groups = append(groups, foreground)
	}
	for _, group := range groups {
		_ = syscall.Kill(-group, syscall.SIGHUP)
		_ = syscall.Kill(-group, syscall.SIGCONT)
	}
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// processes holds the commands of sessions that have not ended yet, including
// those whose connection is lost.
type processes struct {
	traffic *activity.Traffic

	mu      sync.Mutex
	running map[*process]bool
	ending  bool
	// drained is when the drain ends. Until then nothing is started.
	drained  time.Time
	sessions sync.WaitGroup
}

func newProcesses(traffic *activity.Traffic) *processes {
	return &processes{traffic: traffic, running: map[*process]bool{}}
}

// exitUnavailable is the exit code of ssh when it cannot connect. Scripts that
// retry on this code also retry while the server is being suspended.
const exitUnavailable = 255

const beingSuspended = "This server is being suspended. Connect again in a minute to wake it."

// start starts a command. After a start without an error, the caller must call
// wait and done, once each.
func (p *processes) start(cmd *exec.Cmd, terminal *os.File) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return nil, &refusal{exitNotExecutable, "This server is stopping.\n"}
	}
	if p.isDrained() {
		return nil, &refusal{exitUnavailable, beingSuspended + "\n"}
	}
	p.traffic.Started()
	if err := cmd.Start(); err != nil {
		return nil, notRunnable(cmd.Path, err)
	}
	started := &process{cmd: cmd, terminal: terminal}
	p.running[started] = true
	p.sessions.Add(1)
	return started, nil
}

// drain refuses to start commands for a time if the server is idle, and reports
// whether it is. A command that starts at the same time either comes first, and
// then the server is not idle, or comes later and is refused.
func (p *processes) drain(idle func() bool, during time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !idle() {
		return false
	}
	p.drained = time.Now().Add(during)
	return true
}

// release ends a drain.
func (p *processes) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drained = time.Time{}
}

// isDrained reports whether a drain is in effect. The caller holds the lock.
func (p *processes) isDrained() bool { return time.Now().Before(p.drained) }

// mayForward reports whether a client may open a new forwarded connection.
func (p *processes) mayForward() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.isDrained()
}

// wait waits for a process to end and collects it. The process leaves the list
// before the kernel can reuse its id.
func (p *processes) wait(running *process) *os.ProcessState {
	waitForExit(running.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, running)
	// ProcessState is set even if Wait returns an error.
	_ = running.cmd.Wait()
	return running.cmd.ProcessState
}

// waitForExit waits until a child has ended, without collecting it.
func waitForExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// signal delivers a client's signal to a process that is still running.
func (p *processes) signal(to *process, signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running[to] {
		return os.ErrProcessDone
	}
	return to.signal(signal)
}

// done ends a session: its client has received all output and the exit code.
func (p *processes) done() { p.sessions.Done() }

// end asks all processes to end, and kills those that have not ended after
// grace. It returns when all sessions are done, or farewell after the kill: a
// process that has left its session's process group is not killed and may keep
// the session's output open.
func (p *processes) end(grace, farewell time.Duration) {
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	p.each((*process).askToEnd)
	over := make(chan struct{})
	go func() {
		p.sessions.Wait()
		close(over)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
		p.each((*process).kill)
		timer.Reset(farewell)
		select {
		case <-over:
		case <-timer.C:
		}
	}
}

// each calls do for each running process. It holds the lock, so that no process
// can be collected, and its id reused, during the call.
func (p *processes) each(do func(*process)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for running := range p.running {
		do(running)
	}
}
