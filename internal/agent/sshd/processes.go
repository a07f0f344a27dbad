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

// process is what a session runs. It leads a session of its own in the
// kernel's sense, so its id is also that of its process group.
type process struct {
	cmd *exec.Cmd
	// terminal is the master side of its pseudo-terminal, or nil.
	terminal *os.File
}

// signal delivers a client's signal to what the user looks at: on a terminal
// the job in the foreground, else the command and its children.
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

// askToEnd asks as a user would: an interactive shell ignores SIGTERM, but
// ends, and ends its jobs, when its terminal hangs up. It hears of that once:
// bash takes a second SIGHUP for impatience, and dies without its exit trap
// and without a word to its jobs.
func (p *process) askToEnd() {
	leader := p.cmd.Process.Pid
	if p.terminal == nil {
		_ = syscall.Kill(-leader, syscall.SIGTERM) // fails only once it has ended
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

// processes are those that sessions started and that have not ended yet, also
// after their connection is lost.
type processes struct {
	traffic *activity.Traffic

	mu      sync.Mutex
	running map[*process]bool
	ending  bool
	// drained is until when nothing is started.
	drained  time.Time
	sessions sync.WaitGroup
}

func newProcesses(traffic *activity.Traffic) *processes {
	return &processes{traffic: traffic, running: map[*process]bool{}}
}

// exitUnavailable is that of ssh itself, when it cannot connect: whoever tries
// again then should try again now.
const exitUnavailable = 255

const goingToSleep = "This box is going to sleep. Connect again in a moment."

// start starts a command. Every start is followed by one wait and one done.
func (p *processes) start(cmd *exec.Cmd, terminal *os.File) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return nil, &refusal{exitNotExecutable, "The box is stopping.\n"}
	}
	if p.isDrained() {
		return nil, &refusal{exitUnavailable, goingToSleep + "\n"}
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

// drain starts nothing more for a time, if the box is idle. Whoever starts at
// the same time comes first, and then the box is not idle, or later, and is
// refused.
func (p *processes) drain(idle func() bool, during time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !idle() {
		return false
	}
	p.drained = time.Now().Add(during)
	return true
}

// release lets be started again.
func (p *processes) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drained = time.Time{}
}

// isDrained is called with the lock held.
func (p *processes) isDrained() bool { return time.Now().Before(p.drained) }

// mayForward reports whether something new may be connected to.
func (p *processes) mayForward() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.isDrained()
}

// wait waits for a process to end. It is taken off the list before its id can
// become another's.
func (p *processes) wait(running *process) *os.ProcessState {
	waitForExit(running.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, running)
	// The state is there also if Wait fails.
	_ = running.cmd.Wait()
	return running.cmd.ProcessState
}

// waitForExit waits until a child has ended, and leaves it to be collected.
func waitForExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// signal delivers a client's signal to a process that still runs.
func (p *processes) signal(to *process, signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running[to] {
		return os.ErrProcessDone
	}
	return to.signal(signal)
}

// done is called once the session's client has been told all.
func (p *processes) done() { p.sessions.Done() }

// end asks all processes to end, and kills those that have not after grace. It
// returns when all clients have been told, or farewell after the kill: a process
// that left the group of its session may hold the session's output open.
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

// each holds the lock, so that no process is waited for, and its id reused,
// in between.
func (p *processes) each(do func(*process)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for running := range p.running {
		do(running)
	}
}
