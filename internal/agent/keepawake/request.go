package keepawake

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

// Exit codes are those of env(1) and timeout(1).
const (
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// Request is what `devserver-agent keep` was called with.
type Request struct {
	// Dir is the path of the Folder.
	Dir string
	// For is how long the server is kept awake at most. 0 means as long as Command
	// runs.
	For time.Duration
	// Reason is a text for people. It may be empty.
	Reason string
	// Command is a program and its arguments. If it is empty, the server is kept
	// awake for a time.
	Command []string
}

// Run writes a record, and then replaces this process with the command. So the exit
// code, signals and job control are those of the command. Run returns only if there
// is no command, or if it cannot be run.
func (q Request) Run(stdout io.Writer) (exitCode int, err error) {
	if q.For < 0 || (len(q.Command) == 0 && q.For == 0) {
		return exitFailed, errors.New("requires a duration, as in --for 2h, or a command, as in -- COMMAND")
	}
	program, code, err := q.program()
	if err != nil {
		return code, err
	}
	r, name, err := q.record()
	if err == nil {
		err = makeDir(q.Dir)
	}
	if err == nil {
		err = r.write(q.Dir, name)
	}
	if err != nil {
		return exitFailed, fmt.Errorf("cannot keep the server awake: %w", err)
	}
	path := filepath.Join(q.Dir, name)
	if program == "" {
		fmt.Fprintf(stdout, "The server is kept awake for %s. To end that: rm %s\n", q.For, path)
		return 0, nil
	}
	err = syscall.Exec(program, q.Command, os.Environ())
	os.Remove(path)
	return exitNotExecutable, fmt.Errorf("cannot run %s: %w", q.Command[0], err)
}

// makeDir creates the folder if it does not exist. Root uses that of the server's
// user.
func makeDir(dir string) error {
	if os.Geteuid() == 0 {
		return os.MkdirAll(dir, 0o700)
	}
	return runtimedir.Make(dir)
}

// program returns the path of the command's program, and "" if there is no command.
func (q Request) program() (path string, exitCode int, err error) {
	if len(q.Command) == 0 {
		return "", 0, nil
	}
	path, err = exec.LookPath(q.Command[0])
	if named, ok := errors.AsType[*exec.Error](err); ok && !errors.Is(err, exec.ErrDot) {
		err = named.Err
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrDot):
		return path, 0, nil
	case errors.Is(err, fs.ErrPermission):
		return "", exitNotExecutable, fmt.Errorf("cannot run %s: %w", q.Command[0], err)
	default:
		return "", exitNotFound, fmt.Errorf("%s: not found", q.Command[0])
	}
}

// record returns the record and its file name.
func (q Request) record() (r record, name string, err error) {
	r = record{What: "keep", Reason: q.Reason}
	name = "time" + recordSuffix // The next one replaces it.
	if len(q.Command) > 0 {
		pid := strconv.Itoa(os.Getpid())
		r.What, r.PID = filepath.Base(q.Command[0]), os.Getpid()
		if r.Started, err = startedAt("/proc", pid); err != nil {
			return record{}, "", err
		}
		name = pid + recordSuffix
	}
	if q.For > 0 {
		up, err := sinceBoot()
		if err != nil {
			return record{}, "", err
		}
		r.Until = up + q.For
	}
	return r, name, nil
}
