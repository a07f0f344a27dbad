// Package keep is how a program in the box says that it works, where nothing
// else shows it: a folder, in which every file is a wish to be kept.
//
// A file that devserver-agent keep has written is a record: it counts as long
// as the process that it names runs, or until its time is over. Any other file
// counts while its modification time is in the future, or less than a minute
// ago, so that `touch` is all that a script needs.
package keep

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

// recordSuffix is that of the names of records.
const recordSuffix = ".keep"

// maxRecord bounds what is read of a file that anybody may have written.
const maxRecord = 4 << 10

// longestName is how many characters of a wish people are shown.
const longestName = 100

// record is what devserver-agent keep writes.
type record struct {
	// What is the command's name, Reason the user's word for it.
	What   string `json:"what"`
	Reason string `json:"reason,omitempty"`
	// PID and Started are those of the process, as /proc has them; 0 if the
	// record is for a time only.
	PID     int    `json:"pid,omitempty"`
	Started uint64 `json:"started,omitempty"`
	// Until is the end in time since the machine was started, which nobody can
	// set; 0 is none.
	Until time.Duration `json:"until,omitempty"`
}

// counts reports whether the record still does.
func (r record) counts(procDir string) (bool, error) {
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

func (r record) String() string {
	if r.Reason == "" {
		return printable.Line(r.What, longestName)
	}
	return printable.Line(r.What+" ("+r.Reason+")", longestName)
}

// read reads a record. What is none is an error.
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

// write puts a record into the folder in one step.
func (r record) write(dir, name string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary := filepath.Join(dir, "."+name) // hidden files count for nothing
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, name))
}

// sinceBoot goes on while the machine sleeps, and is the same for all
// processes.
func sinceBoot() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("reading the clock: %w", err)
	}
	return time.Duration(now.Nano()), nil
}

// startedAt is when a process was started, in a unit of /proc's: with its id
// it names a process that was and no other that will be.
func startedAt(procDir, pid string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(procDir, pid, "stat"))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything. What follows begins with field
	// 3 of proc_pid_stat(5); of those this is the 22nd, and state the 3rd.
	after := string(text[strings.LastIndexByte(string(text), ')')+1:])
	fields := strings.Fields(after)
	const state, starttime = 0, 22 - 3
	if len(fields) <= starttime {
		return 0, fmt.Errorf("%s of process %s is cut short", procDir, pid)
	}
	if fields[state] == "Z" || fields[state] == "X" {
		return 0, fs.ErrNotExist // it has ended, and nobody has asked how
	}
	return strconv.ParseUint(fields[starttime], 10, 64)
}
