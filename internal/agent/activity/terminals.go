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

// terminals looks after pseudo-terminals that others than the SSH server make:
// an editor's own, the windows of tmux. The kernel notes on each, within eight
// seconds, when a program last read what was typed there (its access time), and
// only of reads that got something.
//
// That programs print on them is no sign: nobody need be there to see it, as in
// a tmux that is left alone with a clock in it. The times are compared with each
// other, never with a clock.
type terminals struct {
	dir string
	// read has the access time of each, by name; nil before the first look.
	read map[string]syscall.Timespec
}

// used tells whether something was typed since the last look, on any of them. One
// that is new was opened by somebody.
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
			continue // ptmx, of which they are made
		}
		var stat syscall.Stat_t
		err := syscall.Stat(filepath.Join(t.dir, entry.Name()), &stat)
		if errors.Is(err, fs.ErrNotExist) {
			continue // It was closed meanwhile.
		}
		if err != nil {
			return false, err
		}
		t.read[entry.Name()] = stat.Atim
		was, known := before[entry.Name()]
		used = used || before != nil && (!known || was != stat.Atim)
	}
	return used, nil
}

// terminal is the signal of all terminals: what the SSH server passes on, and
// what is typed elsewhere.
func (w *Watch) terminal(now time.Duration) agentapi.Signal {
	typed, shown, elsewhere := w.cfg.Traffic.typed.age(now), w.cfg.Traffic.shown.age(now), w.elsewhere.worked.age(now)
	value := happened("key", typed) + ", " + happened("output", shown)
	if w.elsewhere.value != "" {
		value += ", " + w.elsewhere.value
	} else if elsewhere >= 0 {
		value += ", input read " + ago(elsewhere)
	}
	return agentapi.Signal{
		Name:        agentapi.SignalTerminal,
		IdleSeconds: idleSeconds(younger(younger(typed, shown), elsewhere)),
		Value:       value,
	}
}

func happened(what string, age time.Duration) string {
	if age < 0 {
		return "no " + what + " yet"
	}
	return what + " " + ago(age)
}
