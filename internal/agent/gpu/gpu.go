// Package gpu tells how busy the box's NVIDIA GPUs are.
//
// It asks nvidia-smi, which the NVIDIA container toolkit puts into every box
// with a GPU, as it does the driver's library. To load that library, NVML,
// oneself takes a dynamic linker: github.com/ebitengine/purego, which does so
// without cgo, makes the program a dynamically linked one of glibc's, and the
// agent must run in an image of musl's, and in one with no libc at all.
//
// Once a minute is enough for a sign of life, and is what a process that takes
// up to a tenth of a second of CPU time may cost. GPUs that do nothing while
// they are asked, again and again, are seen by what their program does beside.
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
	"time"
)

// timeout is for one question. A driver that is in trouble can hang.
const timeout = 20 * time.Second

// Reading is what the GPUs said.
type Reading struct {
	// Absent: there is no GPU, or no driver for it.
	Absent bool
	// Percent is the utilisation of the busiest one.
	Percent int64
	// Err is why it is not known.
	Err error
}

// Reader asks the GPUs of the box.
type Reader struct {
	// Command is nvidia-smi, or its path.
	Command string

	spent atomic.Int64
	// seen is set once there was a GPU: then it is never absent any more, only
	// in trouble.
	seen bool
}

// Spent is the CPU time that asking has taken.
func (r *Reader) Spent() time.Duration { return time.Duration(r.spent.Load()) }

var errNotYet = errors.New("nvidia-smi has not answered yet")

// Run asks every interval, until ctx ends, and tells each answer.
//
// A process that hangs in the driver cannot be killed. Then it waits, for no
// second one would do better, and the one who is told sees that nothing comes.
func (r *Reader) Run(ctx context.Context, interval time.Duration, tell func(Reading)) {
	if _, err := exec.LookPath(r.Command); err != nil {
		tell(Reading{Absent: true})
		return
	}
	tell(Reading{Err: errNotYet})
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		reading := r.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		tell(reading)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *Reader) ask(ctx context.Context) Reading {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Command, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if cmd.ProcessState != nil {
		r.spent.Add(int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
	}
	switch {
	case ctx.Err() != nil:
		return Reading{Err: errors.New("nvidia-smi does not answer")}
	case absent(err) && !r.seen:
		return Reading{Absent: true}
	case err != nil:
		return Reading{Err: fmt.Errorf("nvidia-smi fails: %w: %s", err, firstLine(out))}
	}
	r.seen = true
	percent, err := busiest(out)
	return Reading{Percent: percent, Err: err}
}

// absent tells an image with nvidia-smi on a node without a GPU from a GPU in
// trouble, by the exit codes that nvidia-smi(1) lists.
func absent(err error) bool {
	const noDevice, noDriver, noLibrary = 6, 9, 12
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	switch exit.ExitCode() {
	case noDevice, noDriver, noLibrary:
		return true
	}
	return false
}

// busiest reads one line for each GPU: a percentage, or, in brackets, why
// there is none: "[N/A]" is that of a GPU that is divided (MIG).
func busiest(out []byte) (int64, error) {
	most := int64(-1)
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		percent, err := strconv.ParseInt(line, 10, 64)
		if err != nil || percent < 0 || percent > 100 {
			return 0, fmt.Errorf("nvidia-smi says %.40q", line)
		}
		most = max(most, percent)
	}
	if most < 0 {
		return 0, errors.New("nvidia-smi names no GPU")
	}
	return most, nil
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return string(line[:min(len(line), 200)])
}
