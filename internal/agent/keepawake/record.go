// Package keepawake keeps a server awake while a program in it asks for that,
// because its work does not show otherwise. Programs ask by files in one folder.
//
// A file that `devserver-agent keep` has written is a record: it holds as long as
// the process that it names runs, or until its time is over. Any other file holds
// while its modification time is in the future or less than a minute ago, so
// `touch` is all that a script needs.
package keepawake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/printable"
)

// recordSuffix ends the file names of records.
const recordSuffix = ".keep"

// maxRecord bounds how much of a file is read, in bytes: any program may have
// written it.
const maxRecord = 4 << 10

// maxName is how many characters of a name are shown.
const maxName = 100

// record is the content of a file that `devserver-agent keep` writes, as JSON.
type record struct {
	// What is the command's name, and Reason the user's text.
	What   string `json:"what"`
	Reason string `json:"reason,omitempty"`
	// PID and Started identify the process, as /proc does. Both are 0 if the record
	// holds for a time only.
	PID     int    `json:"pid,omitempty"`
	Started uint64 `json:"started,omitempty"`
	// Until is when the record ends, as time since the node was booted, because that
	// clock cannot be set. 0 means that it has no such end.
	Until time.Duration `json:"until,omitempty"`
}

// holds reports whether the record still keeps the server awake.
func (r record) holds(procDir string) (bool, error) {
	if r.Until != 0 {
		up, err := sinceBoot()
		if err != nil || up >= r.Until {
			return false, err
		}
	}
	if r.PID == 0 {
		return r.Until != 0, nil
	}
	started, err := startedAt(procDir, strconv.Itoa(r.PID))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil
	}
	return err == nil && started == r.Started, err
}

// String returns the record's name for people, as one line.
func (r record) String() string {
	if r.Reason == "" {
		return printable.Prose(r.What, maxName)
	}
	return printable.Prose(r.What+" ("+r.Reason+")", maxName)
}

// read reads a record. A file that is not a record is an error.
func read(path string) (record, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return record{}, err
	}
	defer file.Close()
	text := make([]byte, maxRecord)
	n, err := file.Read(text)
	if err != nil {
		return record{}, err
	}
	var r record
	err = json.Unmarshal(text[:n], &r)
	return r, err
}

// write creates or replaces the record's file in one step.
func (r record) write(dir, name string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary := filepath.Join(dir, "."+name) // The folder ignores hidden files.
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, name))
}

// sinceBoot returns the time since the node was booted, the time that it was
// suspended included. All processes read the same clock.
func sinceBoot() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("reading the clock: %w", err)
	}
	return time.Duration(now.Nano()), nil
}

// startedAt returns when a process was started, in clock ticks since boot. Together
// with the PID, which is reused, it identifies the process.
func startedAt(procDir, pid string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(procDir, pid, "stat"))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may contain any character. After it comes field 3 of
	// proc_pid_stat(5), the state. The start time is field 22.
	after := string(text[strings.LastIndexByte(string(text), ')')+1:])
	fields := strings.Fields(after)
	const state, starttime = 0, 22 - 3
	if len(fields) <= starttime {
		return 0, fmt.Errorf("%s: stat of process %s has too few fields", procDir, pid)
	}
	if fields[state] == "Z" || fields[state] == "X" {
		return 0, fs.ErrNotExist // It has ended, and its parent has not reaped it yet.
	}
	return strconv.ParseUint(fields[starttime], 10, 64)
}
