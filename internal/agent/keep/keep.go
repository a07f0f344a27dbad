package keep

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agent/runtimedir"
)

// Exit codes, as env(1) and timeout(1) have them.
const (
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// Wish is what somebody asks for.
type Wish struct {
	Dir string
	// For is how long at most; 0 is as long as Command runs.
	For    time.Duration
	Reason string
	// Command is run. Without one the box is kept for a time.
	Command []string
}

// Grant writes a record, and then becomes the command: so its exit code,
// signals and job control are its own, and no process stands between. It
// returns only if there is no command, or it cannot be run.
func (w Wish) Grant(stdout io.Writer) (exitCode int, err error) {
	if w.For < 0 || len(w.Command) == 0 && w.For == 0 {
		return exitFailed, errors.New("say for how long, as in --for 2h, or which command: -- COMMAND")
	}
	program, code, err := w.program()
	if err != nil {
		return code, err
	}
	r, name, err := w.record()
	if err == nil {
		err = makeDir(w.Dir)
	}
	if err == nil {
		err = r.write(w.Dir, name)
	}
	if err != nil {
		return exitFailed, fmt.Errorf("the box cannot be kept: %w", err)
	}
	path := filepath.Join(w.Dir, name)
	if program == "" {
		fmt.Fprintf(stdout, "The box counts as at work for %s. To end that: rm %s\n", w.For, path)
		return 0, nil
	}
	err = syscall.Exec(program, w.Command, os.Environ())
	os.Remove(path)
	return exitNotExecutable, fmt.Errorf("%s cannot be run: %w", w.Command[0], err)
}

// makeDir makes sure of the folder. Root asks in that of the box's user.
func makeDir(dir string) error {
	if os.Geteuid() == 0 {
		return os.MkdirAll(dir, 0o700)
	}
	return runtimedir.Make(dir)
}

// program finds the command's program.
func (w Wish) program() (path string, exitCode int, err error) {
	if len(w.Command) == 0 {
		return "", 0, nil
	}
	path, err = exec.LookPath(w.Command[0])
	if named, ok := errors.AsType[*exec.Error](err); ok && !errors.Is(err, exec.ErrDot) {
		err = named.Err
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrDot):
		return path, 0, nil
	case errors.Is(err, fs.ErrPermission):
		return "", exitNotExecutable, fmt.Errorf("%s cannot be run: %w", w.Command[0], err)
	default:
		return "", exitNotFound, fmt.Errorf("%s: not found", w.Command[0])
	}
}

// record makes the record, and its name in the folder.
func (w Wish) record() (r record, name string, err error) {
	r = record{What: "keep", Reason: w.Reason}
	name = "time" + recordSuffix // one is enough: the next replaces it
	if len(w.Command) > 0 {
		pid := strconv.Itoa(os.Getpid())
		r.What, r.PID = filepath.Base(w.Command[0]), os.Getpid()
		if r.Started, err = startedAt("/proc", pid); err != nil {
			return record{}, "", err
		}
		name = pid + recordSuffix
	}
	if w.For > 0 {
		up, err := sinceBoot()
		if err != nil {
			return record{}, "", err
		}
		r.Until = up + w.For
	}
	return r, name, nil
}
