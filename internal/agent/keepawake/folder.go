package keepawake

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
	// fresh is how long a file holds after its modification time.
	fresh = time.Minute
	// maxFiles bounds the work of one look. A folder with more is an error, which
	// counts as active.
	maxFiles = 200
)

// Folder finds the files that keep the server awake. Only one goroutine may use
// it.
type Folder struct {
	// Dir is the path of the folder, and ProcDir that of /proc.
	Dir, ProcDir string
	// Now returns the time of day, with which modification times are compared.
	Now func() time.Time
	// Make creates Dir as a folder that the server's user owns.
	Make func(dir string) error

	// seen has the files of the last look, by name. It is nil before the first.
	seen map[string]sighting
}

// sighting is what is remembered of a file.
type sighting struct {
	// modified is its modification time, and until the end of its effect by the
	// agent's clock. The one is converted into the other when the file is seen for
	// the first time, so that setting the time of day later has no effect.
	modified time.Time
	until    time.Duration
	// lapsed is set for a record that no longer holds.
	lapsed bool
}

// Look returns the name of what keeps the server awake, "first and 2 more" if it is
// several, or "" if nothing does. Now is the time of the agent's clock.
func (f *Folder) Look(now time.Duration) (string, error) {
	names, err := f.names()
	if err != nil {
		return "", err
	}
	first := f.seen == nil
	before := f.seen
	f.seen = make(map[string]sighting, len(names))
	var found []string
	for _, name := range names {
		what, err := f.look(name, now, before, first)
		if err != nil {
			return "", err
		}
		if what != "" {
			found = append(found, what)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	default:
		return fmt.Sprintf("%s and %d more", found[0], len(found)-1), nil
	}
}

// names returns the names of the files, sorted. If the folder does not exist, there
// are none.
func (f *Folder) names() ([]string, error) {
	dir, err := os.Open(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		// A program has removed it. If it cannot be created again, it stays empty.
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
		return nil, fmt.Errorf("%[2]s has more than %[1]d files", maxFiles, f.Dir)
	}
	slices.Sort(names)
	return names, nil
}

// look returns the name to show for a file that holds, and "" for any other.
func (f *Folder) look(name string, now time.Duration, before map[string]sighting, first bool) (string, error) {
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
	s, known := before[name]
	if !known || !s.modified.Equal(info.ModTime()) {
		left := info.ModTime().Sub(f.Now()) + fresh
		if !first {
			// It was touched since the last look, even if the clock disagrees.
			left = max(left, fresh)
		}
		s = sighting{modified: info.ModTime(), until: now + left}
	}
	f.seen[name] = s
	if now >= s.until {
		return "", nil
	}
	return printable.Line(name, maxName), nil
}

// lookAtRecord does the same for a record. It removes a record that does not hold
// at two looks in a row: a process with several threads appears to have ended for
// a moment when it executes its command.
func (f *Folder) lookAtRecord(r record, name string, lapsed bool) (string, error) {
	holds, err := r.holds(f.ProcDir)
	switch {
	case err != nil:
		return "", err
	case holds:
		return r.String(), nil
	case lapsed:
		os.Remove(filepath.Join(f.Dir, name))
	default:
		f.seen[name] = sighting{lapsed: true}
	}
	return "", nil
}
