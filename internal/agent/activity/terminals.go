package activity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agentapi"
)

// terminals watches pseudo-terminals that the SSH server did not open, such as those of
// an editor or the windows of tmux. The access time of a terminal is when a program
// last read typed input from it. The kernel updates it within eight seconds, and only
// for reads that returned data.
//
// Output is not activity here: a detached tmux may show a clock all day. Access
// times are compared with each other, never with a clock.
type terminals struct {
	dir string
	// read has the access time of each terminal, by name. It is nil before the first
	// call of used.
	read map[string]syscall.Timespec
}

// used reports whether, since the last call, input was read from any terminal or a
// terminal was opened.
func (t *terminals) used() (bool, error) {
	entries, err := os.ReadDir(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	before, used := t.read, false
	t.read = make(map[string]syscall.Timespec, len(entries))
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue // ptmx, which opens terminals
		}
		var stat syscall.Stat_t
		err := syscall.Stat(filepath.Join(t.dir, entry.Name()), &stat)
		if errors.Is(err, fs.ErrNotExist) {
			continue // It has been closed since.
		}
		if err != nil {
			return false, err
		}
		t.read[entry.Name()] = stat.Atim
		was, known := before[entry.Name()]
		used = used || (before != nil && (!known || was != stat.Atim))
	}
	return used, nil
}

// terminal returns the signal of the terminals.
func (w *Watch) terminal(now time.Duration) agentapi.Signal {
	elsewhere := w.elsewhere.active.age(now)
	value := w.elsewhere.value
	if value == "" && elsewhere >= 0 {
		value = "input read " + ago(elsewhere)
	}
	return agentapi.Signal{Name: agentapi.SignalTerminal, IdleSeconds: idleSeconds(elsewhere), Value: value}
}
