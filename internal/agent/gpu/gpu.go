// Package gpu measures how busy the server's NVIDIA GPUs are.
//
// It runs nvidia-smi, which the NVIDIA container toolkit adds to every container
// with a GPU, as it does the driver's library, NVML. Loading that library directly
// requires a dynamic linker: github.com/ebitengine/purego, which does it without
// cgo, links the program dynamically against glibc. The agent must also run in
// images with musl, and in images without a libc.
//
// Each run takes up to a tenth of a second of CPU time, so once a minute is enough.
// A program whose GPU happens to be idle at each reading still shows by its CPU
// time.
package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// timeout bounds one run of nvidia-smi, because a faulty driver can hang.
const timeout = 20 * time.Second

// Reading is the result of reading the GPUs once.
type Reading struct {
	// Absent is set if there is no GPU, or no driver for it.
	Absent bool
	// Count is how many GPUs nvidia-smi lists. 0 if that is not known.
	Count int64
	// Percent is the utilization of the busiest one.
	Percent int64
	// Err is why Percent is not known.
	Err error
}

// Reader reads the server's GPUs.
type Reader struct {
	// Command is nvidia-smi, or its path.
	Command string
	// RunCommand runs a command until it ends. It is required if another part of the
	// program collects all child processes. Default: runCommand.
	RunCommand func(*exec.Cmd) (syscall.WaitStatus, syscall.Rusage, error)

	spent atomic.Int64
	// seen is set once a GPU has been read. From then on, a GPU that cannot be read
	// is an error, not absent.
	seen bool
}

// Spent returns the CPU time that nvidia-smi has used.
func (r *Reader) Spent() time.Duration { return time.Duration(r.spent.Load()) }

var errNotYet = errors.New("nvidia-smi has not answered yet")

// Run reads the GPUs once in every interval until ctx ends, and calls note with each
// reading. It returns at once if there is no nvidia-smi.
//
// A process that hangs in the driver cannot be killed. Run then waits for it, because
// another would hang too, and note is not called.
func (r *Reader) Run(ctx context.Context, interval time.Duration, note func(Reading)) {
	if _, err := exec.LookPath(r.Command); err != nil {
		note(Reading{Absent: true})
		return
	}
	note(Reading{Err: errNotYet})
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		reading := r.read(ctx)
		if ctx.Err() != nil {
			return
		}
		note(reading)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *Reader) read(ctx context.Context) Reading {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Command, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	run := r.RunCommand
	if run == nil {
		run = runCommand
	}
	status, usage, err := run(cmd)
	r.spent.Add(usage.Utime.Nano() + usage.Stime.Nano())
	switch {
	case ctx.Err() != nil:
		return Reading{Err: errors.New("nvidia-smi does not answer")}
	case err != nil:
		return Reading{Err: fmt.Errorf("nvidia-smi does not start: %w", err)}
	case absent(status) && !r.seen:
		return Reading{Absent: true}
	case status.Signaled():
		return Reading{Err: fmt.Errorf("nvidia-smi failed: signal: %s", status.Signal())}
	case status.ExitStatus() != 0:
		return Reading{Err: fmt.Errorf("nvidia-smi failed: exit status %d: %s", status.ExitStatus(), firstLine(out.Bytes()))}
	}
	r.seen = true
	count, percent, err := parse(out.Bytes())
	return Reading{Count: count, Percent: percent, Err: err}
}

// runCommand runs a command until it ends. A status other than 0 is not an error.
func runCommand(cmd *exec.Cmd) (status syscall.WaitStatus, usage syscall.Rusage, err error) {
	if err := cmd.Start(); err != nil {
		return status, usage, err
	}
	_ = cmd.Wait() // The status says how it ended.
	status, _ = cmd.ProcessState.Sys().(syscall.WaitStatus)
	if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		usage = *used
	}
	return status, usage, nil
}

// absent reports whether nvidia-smi failed because the node has no GPU, and not
// because a GPU is faulty, by the exit codes that nvidia-smi(1) lists.
func absent(status syscall.WaitStatus) bool {
	const noDevice, noDriver, noLibrary = 6, 9, 12
	switch status.ExitStatus() {
	case noDevice, noDriver, noLibrary:
		return true
	}
	return false
}

// parse returns the number of GPUs and the utilization of the busiest one. The output
// has a line for each GPU: a percentage, or, in brackets, why there is none. That of
// a divided GPU (MIG) is "[N/A]".
func parse(out []byte) (count, percent int64, err error) {
	for line := range strings.Lines(string(out)) {
		count++
		line = strings.TrimSpace(line)
		value, parseErr := strconv.ParseInt(line, 10, 64)
		if parseErr != nil || value < 0 || value > 100 {
			err = fmt.Errorf("nvidia-smi reports %.40q in place of a utilization", line)
			continue
		}
		percent = max(percent, value)
	}
	switch {
	case count == 0:
		return 0, 0, errors.New("nvidia-smi lists no GPU")
	case err != nil:
		return count, 0, err
	}
	return count, percent, nil
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return string(line[:min(len(line), 200)])
}
