package spawner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mattn/go-shellwords"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// shell returns the account's login shell: the one that passwd names if it can
// be run, otherwise the first of Config.Shells that can, otherwise the empty
// string.
func (a *account) shell() string {
	candidates := a.cfg.Shells
	if _, named := a.passwdEntry(); named != "" {
		candidates = append([]string{named}, candidates...)
	}
	for _, path := range candidates {
		if executable(path) == nil {
			return path
		}
	}
	return ""
}

// environment returns the environment that the account's sessions start with.
func (a *account) environment() environ.Vars {
	base := a.cfg.Environment
	base.User, base.Home = a.name, a.home()
	return base.Session(a.shell())
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir() || info.Mode().Perm()&0o111 == 0:
		return fs.ErrPermission
	}
	return nil
}

// loginShell returns the command of a session for which the client names none.
func (a *account) loginShell() (*exec.Cmd, error) {
	shell := a.shell()
	if shell == "" {
		return nil, &spawnapi.Refusal{Code: spawnapi.ExitNotFound, Text: fmt.Sprintf(
			"This server's image has no shell (looked for %s).\n"+
				"You can still run a program by its path: ssh HOST /path/to/program ARGUMENTS\n",
			strings.Join(a.cfg.Shells, ", "))}
	}
	// The dash tells the shell that it is a login shell.
	return &exec.Cmd{Path: shell, Args: []string{"-" + filepath.Base(shell)}}, nil
}

// shellCommand returns the command for a command line from a client. The
// account's shell interprets the line. Without a shell, the words of the line
// are a program and its arguments.
func (a *account) shellCommand(command, path string) (*exec.Cmd, error) {
	if shell := a.shell(); shell != "" {
		return &exec.Cmd{Path: shell, Args: []string{filepath.Base(shell), "-c", command}}, nil
	}
	parser := shellwords.NewParser()
	words, err := parser.Parse(command)
	// A position that is not negative means that the parser met shell syntax.
	if err != nil || parser.Position >= 0 || len(words) == 0 {
		return nil, &spawnapi.Refusal{Code: spawnapi.ExitNotFound, Text: "This server's image has no shell, so a command can only be a program and its arguments.\n"}
	}
	program, err := lookPath(words[0], path)
	if err != nil {
		return nil, notRunnable(words[0], err)
	}
	return &exec.Cmd{Path: program, Args: words}, nil
}

// lookPath finds a program as a shell would, in the session's PATH instead of
// the agent's.
func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	found := fs.ErrNotExist
	for _, dir := range filepath.SplitList(path) {
		candidate := filepath.Join(dir, name)
		err := executable(candidate)
		if err == nil {
			return candidate, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			found = err
		}
	}
	return "", found
}

// notRunnable returns the refusal for a program that did not start.
func notRunnable(name string, err error) *spawnapi.Refusal {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &spawnapi.Refusal{Code: spawnapi.ExitNotFound, Text: name + ": not found\n"}
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: name + ": cannot start: this server has reached its limit of processes or memory\n"}
	default:
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		}
		return &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: fmt.Sprintf("%s: cannot be run: %v\n", name, err)}
	}
}
