package binary

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"devserver.io/devserver/local/internal/progress"
)

// Build is one call of the Go compiler.
type Build struct {
	// Dir is the module's folder; Log gets what the compiler says.
	Dir, Log string
	// Out is a file, or for several packages a folder, with a slash at its end.
	Out                  string
	Packages, Flags, Env []string
}

// GoBuild compiles a program and tells step how far it is.
func GoBuild(ctx context.Context, step *progress.Step, b Build) error {
	log, err := os.Create(b.Log)
	if err != nil {
		return fmt.Errorf("make the build's log: %w", err)
	}
	defer log.Close()
	step.Update("looking at what has to be compiled")
	total, err := b.stale(ctx, step, log)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-v", "-o", b.Out}, b.Flags...)
	cmd := b.command(ctx, append(args, b.Packages...)...)
	return run(cmd, log, &counter{step: step, total: total})
}

// stale counts the packages that are not in the compiler's cache.
func (b Build) stale(ctx context.Context, step *progress.Step, log io.Writer) (int, error) {
	args := append([]string{"list", "-deps", "-f", "{{if .Stale}}stale{{end}}"}, b.Flags...)
	cmd := b.command(ctx, append(args, b.Packages...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := run(cmd, log, &counter{step: step}); err != nil {
		return 0, err
	}
	return bytes.Count(out.Bytes(), []byte("stale")), nil
}

func (b Build) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.Dir
	cmd.Env = append(os.Environ(), b.Env...)
	// A cancelled build must not leave compilers behind.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// run passes the command's messages to the log and to the counter.
func run(cmd *exec.Cmd, log io.Writer, c *counter) error {
	messages, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the Go compiler: %w", err)
	}
	lines := bufio.NewScanner(messages)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		c.line(lines.Text())
	}
	// Whatever stopped the scanner, the compiler must not block on a full pipe.
	_, _ = io.Copy(log, messages)
	return cmd.Wait()
}

// counter makes numbers of the compiler's messages: a module's download and the
// start of a package's compilation are a line each.
type counter struct {
	step                        *progress.Step
	total, compiled, downloaded int
}

func (c *counter) line(text string) {
	if text := c.count(text); text != "" {
		c.step.Update("%s", text)
	}
}

func (c *counter) count(line string) string {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		c.downloaded++
		return fmt.Sprintf("%d modules downloaded", c.downloaded)
	case strings.HasPrefix(line, "#"), strings.ContainsAny(line, " \t"), line == "":
		// A compiler's message, not a package's path.
		return ""
	}
	c.compiled++
	if c.compiled >= c.total {
		return "linking"
	}
	return fmt.Sprintf("%d of %d packages compiled", c.compiled, c.total)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:16]
}
