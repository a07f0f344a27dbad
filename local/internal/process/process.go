// Package process runs the parts of a node as daemons that outlive the command that
// started them, and finds them again. A process is identified by its id, its start
// time and the boot of the machine: the id alone can belong to another process later.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec is a daemon to run.
type Spec struct {
	Name string
	// Path is the program. Args do not include it.
	Path string
	Args []string
	Env  []string
	// Log is the file for the output, PidFile that for the process's identity.
	Log, PidFile string
	// Configs are files that the daemon reads when it starts. If one of them, the program
	// or an argument changes, the daemon is restarted.
	Configs []string
}

// Record is the content of a pid file.
type Record struct {
	Pid         int
	Born        string
	Boot        string
	Fingerprint string
}

// Start starts the daemon in the calling thread's namespaces. The returned channel
// receives the reason if the daemon ends while this command runs. attr may be nil.
func Start(s Spec, attr *syscall.SysProcAttr) (<-chan error, error) {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Setsid = true
	log, err := openLog(s.Log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fingerprint, err := s.fingerprint()
	if err != nil {
		return nil, err
	}
	// The daemon must not inherit a lock or a pipe from this command: they would stay
	// open until the cluster is removed.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) {
		return nil, fmt.Errorf("close the files that %s would inherit: %w", s.Name, err)
	}
	cmd := &exec.Cmd{Path: s.Path, Args: append([]string{s.Path}, s.Args...), Env: s.Env, Stdout: log, Stderr: log, Dir: "/", SysProcAttr: attr}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		ended <- err
	}()
	record := Record{Pid: cmd.Process.Pid, Born: born(cmd.Process.Pid), Boot: boot(), Fingerprint: fingerprint}
	if err := write(s.PidFile, record); err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("record the process of %s: %w", s.Name, err)
	}
	return ended, nil
}

// Current reports whether the daemon runs, and whether it runs with this spec.
func (s Spec) Current() (running, same bool) {
	record, ok := Find(s.PidFile)
	if !ok {
		return false, false
	}
	fingerprint, err := s.fingerprint()
	return true, err == nil && fingerprint == record.Fingerprint
}

// Find reads a pid file and reports whether its process is alive.
func Find(pidFile string) (Record, bool) {
	data, err := os.ReadFile(pidFile)
	if err != nil {
		return Record{}, false
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, false
	}
	return r, r.Boot == boot() && r.Born != "" && born(r.Pid) == r.Born
}

// Stop terminates the daemon of a pid file, and kills it after patience.
func Stop(ctx context.Context, pidFile string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	signal := unix.SIGTERM
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		record, alive := Find(pidFile)
		if !alive {
			break
		}
		late := signal == unix.SIGTERM && time.Now().After(deadline)
		if late {
			signal = unix.SIGKILL
		}
		if first || late {
			if err := unix.Kill(record.Pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d: %w", record.Pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the pid file: %w", err)
	}
	return nil
}

// Tail returns the end of a log, for an error message.
func Tail(log string, lines int) string {
	data, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (s Spec) fingerprint() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q\n", s.Path, s.Args, s.Env)
	for _, path := range s.Configs {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the configuration of %s: %w", s.Name, err)
		}
		fmt.Fprintf(h, "%q %q\n", path, data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// born is the process's start time in clock ticks since boot, or empty if it has
// exited, even if it is a zombie.
func born(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the program's name in parentheses, which can contain anything.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}

func boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

func write(path string, r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// openLog opens a log for appending, and starts a new one once it is large.
func openLog(path string) (*os.File, error) {
	const large = 64 << 20
	if st, err := os.Stat(path); err == nil && st.Size() > large {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, fmt.Errorf("rename the old log: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return nil, fmt.Errorf("create the log folder: %w", err)
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return log, nil
}
