package binary

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/process"
	"devserver.io/devserver/local/internal/progress"
)

// flags are the same for all programs, so they share the compiler's cache.
//
// Debugging information is not generated, instead of being dropped by the linker:
// that saves an eighth of the compile time, and stack traces do not need it. Without
// btrfs and zfs the build does not need their headers. runc refuses containers
// without seccomp, which requires libseccomp's headers. The versions are the ones
// that Kubernetes' own build sets: programs report them, and the kubelet and the API
// server compare them.
var flags = []string{
	"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-tags=no_btrfs,no_zfs,seccomp",
	"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37" +
		" -X helm.sh/helm/v4/internal/version.version=" + helmVersion,
}

// The versions in go.mod; a test compares them.
const (
	kubernetesVersion = "v1.37.2"
	helmVersion       = "v4.3.1"
)

// Cache builds programs and stores them.
type Cache struct {
	// Dir is the cache's folder, Module the folder of this module's go.mod.
	Dir, Module string
	Reporter    *progress.Reporter
}

// Ensure builds the targets that are missing and returns a folder with all of their
// programs, each under its own name.
func (c Cache) Ensure(ctx context.Context, targets []Target) (string, error) {
	keys, err := c.keys(ctx, targets)
	if err != nil {
		return "", err
	}
	missing := c.missing(targets, keys)
	if len(missing) > 0 {
		release, err := c.lock(ctx)
		if err != nil {
			return "", err
		}
		defer release()
		// Another command may have built them while this one waited for the lock.
		for _, t := range c.missing(targets, keys) {
			if err := c.build(ctx, t, c.path(t, keys)); err != nil {
				return "", err
			}
		}
	}
	return c.folder(targets, keys)
}

func (c Cache) keys(ctx context.Context, targets []Target) (map[string]string, error) {
	compiler, err := c.compiler(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, t := range targets {
		if keys[t.Name], err = t.key(c.Module, compiler); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func (c Cache) path(t Target, keys map[string]string) string {
	return filepath.Join(c.Dir, "build", t.Name+"-"+keys[t.Name], t.Name)
}

func (c Cache) missing(targets []Target, keys map[string]string) []Target {
	var missing []Target
	for _, t := range targets {
		if _, err := os.Stat(c.path(t, keys)); err != nil {
			missing = append(missing, t)
		}
	}
	return missing
}

func (c Cache) compiler(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = c.Module
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("read the Go compiler's version (is go installed and in PATH?): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build compiles one program. The program appears in the cache once it is complete.
func (c Cache) build(ctx context.Context, t Target, path string) error {
	log := filepath.Join(c.Dir, "log", "build-"+t.Name+".log")
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o755), os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return fmt.Errorf("create a folder in the cache: %w", err)
	}
	step := c.Reporter.Start("build " + t.Name)
	err := GoBuild(ctx, step, Build{Dir: c.Module, Packages: []string{t.Package}, Flags: flags, Env: []string{t.cgo()}, Out: path + ".new", Log: log})
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	step.End(err)
	if err != nil {
		return fmt.Errorf("build %s: %w; its log is %s and ends with:\n%s", t.Name, err, log, process.Tail(log, 15))
	}
	return nil
}

// folder creates a folder of links to the programs, one for each combination of keys.
func (c Cache) folder(targets []Target, keys map[string]string) (string, error) {
	var name strings.Builder
	for _, t := range targets {
		name.WriteString(t.Name + keys[t.Name] + " ")
	}
	dir := filepath.Join(c.Dir, "bin", digest(name.String()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create the folder of programs: %w", err)
	}
	for _, t := range targets {
		for _, program := range t.names() {
			link := filepath.Join(dir, program)
			if old, err := os.Readlink(link); err == nil && old == c.path(t, keys) {
				continue
			}
			if err := os.Symlink(c.path(t, keys), link); err != nil && !errors.Is(err, os.ErrExist) {
				return "", fmt.Errorf("link %s: %w", program, err)
			}
		}
	}
	return dir, nil
}

// lock lets one command build at a time: two would compile the same packages twice.
func (c Cache) lock(ctx context.Context) (func(), error) {
	return Lock(ctx, c.Reporter, filepath.Join(c.Dir, "build.lock"))
}

// Lock waits for a lock file. It reports a wait that takes longer than a moment.
func Lock(ctx context.Context, r *progress.Reporter, path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the cache: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the cache's lock: %w", err)
	}
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return func() { file.Close() }, nil
	}
	step := r.Start("wait for another command's build")
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(int(file.Fd()), unix.LOCK_EX) }()
	select {
	case err = <-locked:
	case <-ctx.Done():
		err = ctx.Err()
	}
	step.End(err)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("wait for the lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
