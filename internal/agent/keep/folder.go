package keep

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"devserver.io/devserver/internal/printable"
)

const (
	// fresh is how long a file counts after its modification time.
	fresh = time.Minute
	// maxFiles bounds what a look costs. A folder with more is an error, and so
	// counts as work.
	maxFiles = 200
)

// Folder is looked at for what asks to be kept. It is used by one goroutine.
type Folder struct {
	// Dir is the folder, ProcDir is /proc.
	Dir, ProcDir string
	// Now is the time of day, which files have.
	Now func() time.Time
	// Make makes Dir, as the folder of those who ask.
	Make func(dir string) error

	// seen are the files of the last look; nil before the first.
	seen map[string]mark
}

// mark is what a file said when it was touched last. It is translated into
// time that cannot be set at once, so that a clock that is set later neither
// ends nor prolongs it.
type mark struct {
	modified time.Time
	until    time.Duration
	// lapsed is of a record that does not count any more.
	lapsed bool
}

// Look names what is to be kept, or nothing. Now is the agent's own time.
func (f *Folder) Look(now time.Duration) (string, error) {
	names, err := f.names()
	if err != nil {
		return "", err
	}
	first := f.seen == nil
	before := f.seen
	f.seen = make(map[string]mark, len(names))
	var kept []string
	for _, name := range names {
		what, err := f.look(name, now, before, first)
		if err != nil {
			return "", err
		}
		if what != "" {
			kept = append(kept, what)
		}
	}
	switch len(kept) {
	case 0:
		return "", nil
	case 1:
		return kept[0], nil
	default:
		return fmt.Sprintf("%s and %d more", kept[0], len(kept)-1), nil
	}
}

// names are the files, in order. Where there is no folder there is no wish.
func (f *Folder) names() ([]string, error) {
	dir, err := os.Open(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody has tidied up. If it cannot be made again, nothing can be in
		// it either.
		_ = f.Make(f.Dir)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("there are more than %d files in %s", maxFiles, f.Dir)
	}
	slices.Sort(names)
	return names, nil
}

// look gives a file's name for people if it counts.
func (f *Folder) look(name string, now time.Duration, before map[string]mark, first bool) (string, error) {
	if strings.HasPrefix(name, ".") {
		return "", nil
	}
	path := filepath.Join(f.Dir, name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.IsDir():
		return "", nil
	}
	if info.Mode().IsRegular() && strings.HasSuffix(name, recordSuffix) {
		if r, err := read(path); err == nil {
			return f.lookAtRecord(r, name, before[name].lapsed)
		}
	}
	m, known := before[name]
	if !known || !m.modified.Equal(info.ModTime()) {
		left := info.ModTime().Sub(f.Now()) + fresh
		if !first {
			// It was touched since the last look, whatever the clock says.
			left = max(left, fresh)
		}
		m = mark{modified: info.ModTime(), until: now + left}
	}
	f.seen[name] = m
	if now >= m.until {
		return "", nil
	}
	return printable.Line(name, longestName), nil
}

// lookAtRecord gives a record's name if it counts. It is tidied up at the second
// look that it does not: a process of several threads looks as if it had ended
// for a moment when it becomes its command.
func (f *Folder) lookAtRecord(r record, name string, lapsed bool) (string, error) {
	counts, err := r.counts(f.ProcDir)
	switch {
	case err != nil:
		return "", err
	case counts:
		return r.String(), nil
	case lapsed:
		os.Remove(filepath.Join(f.Dir, name))
	default:
		f.seen[name] = mark{lapsed: true}
	}
	return "", nil
}
