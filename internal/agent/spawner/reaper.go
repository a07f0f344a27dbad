package spawner

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper starts processes and collects all that have ended: those that it started,
// and those whose parents have ended, which become children of PID 1. Only the reaper
// may wait for processes, because it collects all of them.
type reaper struct {
	procDir string

	mu       sync.Mutex
	children map[int]*child
}

// child is a process that the reaper started.
type child struct {
	cmd *exec.Cmd
	// ended is closed when the process has been collected. The fields below are then
	// set.
	ended  chan struct{}
	status syscall.WaitStatus
	usage  syscall.Rusage
	// name is the name of the program that the process last ran.
	name string
}

func newReaper(procDir string) *reaper {
	return &reaper{procDir: procDir, children: map[int]*child{}}
}

// start starts a command. The caller must not wait for it with cmd.Wait.
func (r *reaper) start(cmd *exec.Cmd) (*child, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started := &child{cmd: cmd, ended: make(chan struct{}), name: filepath.Base(cmd.Path)}
	r.children[cmd.Process.Pid] = started
	return started, nil
}

// run runs a command until it ends. Cmd.ProcessState stays nil.
func (r *reaper) run(cmd *exec.Cmd) (syscall.WaitStatus, syscall.Rusage, error) {
	started, err := r.start(cmd)
	if err != nil {
		return 0, syscall.Rusage{}, err
	}
	<-started.ended
	// The process is already collected. Wait copies the rest of its output and then
	// returns an error, because there is no process to wait for.
	_ = cmd.Wait()
	return started.status, started.usage, nil
}

// collect collects every process that has ended, and reports whether any still run.
func (r *reaper) collect() (running bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readNames()
	for {
		var status syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, &usage)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || pid == 0:
			return !errors.Is(err, syscall.ECHILD)
		}
		if ended := r.children[pid]; ended != nil {
			ended.status, ended.usage = status, usage
			delete(r.children, pid)
			close(ended.ended)
		}
	}
}

// count returns how many of the processes that the reaper started have not ended.
func (r *reaper) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.children)
}

// readNames reads the names of the children that have ended, which are lost when they
// are collected. The caller holds the lock.
func (r *reaper) readNames() {
	for pid, c := range r.children {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if err != nil || info.Signo == 0 {
			continue
		}
		if name, err := os.ReadFile(filepath.Join(r.procDir, strconv.Itoa(pid), "comm")); err == nil {
			c.name = strings.TrimSpace(string(name))
		}
	}
}

// signal calls send with the id of a process, unless the process has been collected and
// its id may belong to another.
func (r *reaper) signal(to *child, send func(pid int) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid := to.cmd.Process.Pid
	if r.children[pid] != to {
		return os.ErrProcessDone
	}
	return send(pid)
}
