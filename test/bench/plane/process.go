package plane

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a program that runs until it is stopped.
type Process struct {
	log   string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended is closed
}

// Run starts a program and writes its output to the file log. The program has a separate
// process group, so that Ctrl-C reaches only this process, which then stops the program.
func Run(log string, env []string, path string, args ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &Process{log: log, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// PID returns the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended returns an error with the end of the program's output if the program has ended by
// itself, and nil if it runs.
func (p *Process) Ended() error {
	select {
	case <-p.ended:
	default:
		return nil
	}
	output, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s ended: %w\n%s", filepath.Base(p.cmd.Path), errors.Join(errors.New("it was not expected to end"), p.err), output[max(0, len(output)-4000):])
}

// Stop sends SIGTERM to the program, and kills it if it does not end within 30 seconds.
func (p *Process) Stop() error {
	if err := p.Ended(); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	select {
	case <-p.ended:
		return nil
	case <-patience.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s had to be killed: it did not end within 30 s", filepath.Base(p.cmd.Path))
	}
}

// Usage is the CPU time and memory of a process since its start.
type Usage struct {
	CPU  float64 // seconds, user and system
	Sys  float64 // seconds, of these in the kernel
	Peak float64 // of its resident memory, in MiB
	RSS  float64 // MiB, now
}

// ticks is the unit in which Linux reports CPU time, in ticks per second. It is the same on
// all architectures.
const ticks = 100

// UsageOf reads the usage of a process from /proc.
func UsageOf(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, err
	}
	return parseUsage(stat, status)
}

// parseUsage reads the two files of /proc. The program's name, the second
// field of stat, may hold spaces and parentheses.
func parseUsage(stat, status []byte) (Usage, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return Usage{}, fmt.Errorf("%q is not a line of /proc/PID/stat", stat)
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err := errors.Join(err, err2); err != nil {
		return Usage{}, err
	}
	return Usage{CPU: (user + system) / ticks, Sys: system / ticks, Peak: mebibytes(status, "VmHWM:"), RSS: mebibytes(status, "VmRSS:")}, nil
}

// mebibytes returns a value of a file in /proc, which is in kB, in MiB.
func mebibytes(text []byte, name string) float64 {
	_, rest, _ := strings.Cut(string(text), name)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	n, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return 0
	}
	return n / 1024
}

// childNamed finds a child of this process by its program's name.
func childNamed(name string) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // The process has ended.
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		program, _, _ := strings.Cut(string(command), "\x00")
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) && filepath.Base(program) == name {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("no child of this process is called %s", name)
}
