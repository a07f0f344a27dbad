package binary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"devserver.io/devserver/local/internal/progress"
)

// Build is one call of the Go compiler.
type Build struct {
	// Dir is the module's folder, Log the file for the compiler's output.
	Dir, Log string
	// Out is a file or, for several packages, a folder with a slash at its end.
	Out                  string
	Packages, Flags, Env []string
}

// GoBuild compiles a program and shows its progress in step.
func GoBuild(ctx context.Context, step *progress.Step, b Build) error {
	log, err := os.Create(b.Log)
	if err != nil {
		return fmt.Errorf("create the build's log: %w", err)
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(ctx)
	c := &counter{step: step}
	var counting sync.WaitGroup
	// Counting takes a second or two. A build that finds everything in the compiler's
	// cache does not need the count.
	c.first = func() { counting.Go(func() { c.expect(b.stale(ctx)) }) }
	args := append([]string{"build", "-v", "-o", b.Out}, b.Flags...)
	cmd := b.command(ctx, append(args, b.Packages...)...)
	cmd.Stderr = io.MultiWriter(log, c)
	err = cmd.Run()
	cancel()
	counting.Wait()
	return err
}

// stale counts the packages that are not in the compiler's cache. If it cannot, it returns 0.
func (b Build) stale(ctx context.Context) int {
	args := append([]string{"list", "-deps", "-f", "{{if .Stale}}stale{{end}}"}, b.Flags...)
	out, err := b.command(ctx, append(args, b.Packages...)...).Output()
	if err != nil {
		return 0
	}
	return bytes.Count(out, []byte("stale"))
}

func (b Build) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.Dir
	cmd.Env = append(append(os.Environ(), b.Env...), thrift()...)
	// A cancelled build must not leave compiler processes running.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// thrift sets a higher GOGC if the machine has plenty of free memory: garbage
// collection is a sixth of the compiler's time.
func thrift() []string {
	const plenty = 6 << 20 // KiB
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil || os.Getenv("GOGC") != "" || available(string(data)) < plenty {
		return nil
	}
	return []string{"GOGC=400"}
}

// available reads the available memory, in KiB, from /proc/meminfo.
func available(meminfo string) (kib int) {
	for line := range strings.Lines(meminfo) {
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}

// counter counts the compiler's messages: it prints one line for each module that it
// downloads and for each package that it starts to compile.
type counter struct {
	step *progress.Step
	// first is called once, when the first package is compiled.
	first func()

	mu                          sync.Mutex
	total, compiled, downloaded int
}

// Write takes a piece of the compiler's output. The compiler writes whole lines.
func (c *counter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if text := c.count(strings.TrimRight(line, "\r\n")); text != "" {
			c.step.Update("%s", text)
		}
	}
	return len(p), nil
}

// expect sets the number of packages to compile, including those already compiled.
func (c *counter) expect(remaining int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if remaining > 0 {
		c.total = c.compiled + remaining
	}
}

func (c *counter) count(line string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		c.downloaded++
		return fmt.Sprintf("%d modules downloaded", c.downloaded)
	case strings.HasPrefix(line, "#"), strings.ContainsAny(line, " \t"), line == "":
		// A compiler's message, not a package's path.
		return ""
	}
	c.compiled++
	if c.compiled == 1 && c.first != nil {
		c.first()
	}
	if c.total == 0 {
		return fmt.Sprintf("%d packages compiled", c.compiled)
	}
	return fmt.Sprintf("%d of %d packages compiled", c.compiled, max(c.total, c.compiled))
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:16]
}
