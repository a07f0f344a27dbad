package keepawake

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"devserver.io/devserver/internal/agent/runtimedir"
)

// folder is a Folder with clocks that its test sets.
type folder struct {
	*Folder
	t     *testing.T
	day   time.Time
	agent time.Duration
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{t: t, day: time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)}
	f.Folder = &Folder{Dir: t.TempDir(), ProcDir: "/proc", Now: func() time.Time { return f.day }, Make: runtimedir.Make}
	return f
}

func (f *folder) pass(d time.Duration) {
	f.day = f.day.Add(d)
	f.agent += d
}

// touch sets a file's modification time, relative to now. It creates the file if
// that does not exist.
func (f *folder) touch(name string, from time.Duration) {
	f.t.Helper()
	path := filepath.Join(f.Dir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	file.Close()
	if err := os.Chtimes(path, time.Time{}, f.day.Add(from)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) check(want string) {
	f.t.Helper()
	if got, err := f.Look(f.agent); err != nil || got != want {
		f.t.Errorf("after %v: got %q, %v; want %q", f.agent, got, err, want)
	}
}

func TestTouchedFile(t *testing.T) {
	f := newFolder(t)
	f.check("")
	f.touch("job", 0)
	f.check("job")
	f.pass(59 * time.Second)
	f.check("job")
	f.pass(2 * time.Second)
	f.check("")
	f.touch("job", 0) // again
	f.check("job")
	f.pass(2 * time.Minute)
	f.check("")
	// In the future.
	f.touch("job", 6*time.Hour)
	f.check("job")
	f.pass(6 * time.Hour)
	f.check("job")
	f.pass(time.Minute)
	f.check("")
	f.touch("job", time.Hour)
	f.check("job")
	if err := os.Remove(filepath.Join(f.Dir, "job")); err != nil {
		t.Fatal(err)
	}
	f.check("")
}

func TestFilesFromBeforeTheAgentStarted(t *testing.T) {
	f := newFolder(t)
	f.touch("fresh", -30*time.Second)
	f.touch("old", -time.Hour)
	f.touch("planned", time.Hour)
	f.check("fresh and 1 more")
	f.pass(40 * time.Second)
	f.check("planned")
	f.pass(2 * time.Hour)
	f.check("")
}

// TestSettingTheClock shows that files hold as long as before if the time of day is
// set.
func TestSettingTheClock(t *testing.T) {
	for name, step := range map[string]time.Duration{"forward": 24 * time.Hour, "back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			f.check("")
			f.touch("job", 2*time.Hour)
			f.check("job")
			f.day = f.day.Add(step)
			f.pass(time.Hour)
			f.check("job")
			f.pass(62 * time.Minute)
			f.check("")
		})
	}
	// It is set between touch and look: a file that is new has been touched.
	f := newFolder(t)
	f.check("")
	f.touch("job", 0)
	f.day = f.day.Add(24 * time.Hour)
	f.check("job")
	f.pass(2 * time.Minute)
	f.check("")
}

func TestHiddenFilesAndFoldersDoNotHold(t *testing.T) {
	f := newFolder(t)
	f.touch(".hidden", time.Hour)
	if err := os.Mkdir(filepath.Join(f.Dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.check("")
}

// TestOddFiles shows that pipes and links hold like files, without being opened.
func TestOddFiles(t *testing.T) {
	f := newFolder(t)
	f.day = time.Now()
	f.check("")
	if err := syscall.Mkfifo(filepath.Join(f.Dir, "pipe.keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.check("pipe.keep")
	f.touch("not a record.keep", time.Hour)
	f.pass(time.Hour)
	f.check("not a record.keep")
	if err := os.Symlink("/dev/zero", filepath.Join(f.Dir, "link.keep")); err != nil {
		t.Fatal(err)
	}
	f.check("link.keep and 1 more")
	f.touch("evil\x1b[2Jname", time.Hour)
	if got, err := f.Look(f.agent); err != nil || strings.Contains(got, "\x1b") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTooManyFilesAreAnError(t *testing.T) {
	f := newFolder(t)
	for i := range maxFiles + 1 {
		f.touch(strconv.Itoa(i), -time.Hour)
	}
	if got, err := f.Look(0); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestFolderIsCreatedAgain(t *testing.T) {
	f := newFolder(t)
	if err := os.RemoveAll(f.Dir); err != nil {
		t.Fatal(err)
	}
	f.check("")
	f.touch("job", 0)
	f.check("job")
	if err := os.RemoveAll(f.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Look(f.agent); err == nil {
		t.Errorf("a file in place of the folder: got %q, want an error", got)
	}
}

func TestRecordOfAProcess(t *testing.T) {
	f := newFolder(t)
	f.ProcDir = t.TempDir()
	const pid = 4321
	stat := filepath.Join(f.ProcDir, strconv.Itoa(pid), "stat")
	runs := func(state, started string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(stat), 0o700); err != nil {
			t.Fatal(err)
		}
		text := "4321 (a ) b) " + state + " 1 1 1 0 -1 4194560 100 200 0 0 150 50 25 75 20 0 4 0 " + started + " 1000 100\n"
		if err := os.WriteFile(stat, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up, err := sinceBoot()
	if err != nil {
		t.Fatal(err)
	}
	lasting := record{What: "torchrun", Reason: "over\nnight", PID: pid, Started: 77}
	bounded := lasting
	bounded.Until = up + time.Hour
	over := lasting
	over.Until = up - 1
	for name, test := range map[string]struct {
		record
		state, started string // of the process; empty if it does not exist
		want           string
	}{
		"runs":                   {lasting, "S", "77", "torchrun (over night)"},
		"runs, for an hour":      {bounded, "R", "77", "torchrun (over night)"},
		"runs, but time is over": {over, "R", "77", ""},
		"has ended":              {lasting, "", "", ""},
		"is a zombie":            {lasting, "Z", "77", ""},
		"its PID was reused":     {lasting, "S", "78", ""},
		"for a time":             {record{What: "keep", Until: up + time.Hour}, "", "", "keep"},
		"for a time, over":       {record{What: "keep", Until: up - 1}, "", "", ""},
		"for nothing":            {record{What: "keep"}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			os.RemoveAll(filepath.Dir(stat))
			if test.state != "" {
				runs(test.state, test.started)
			}
			if err := test.write(f.Dir, "it.keep"); err != nil {
				t.Fatal(err)
			}
			recordExists := func() bool {
				_, err := os.Stat(filepath.Join(f.Dir, "it.keep"))
				return err == nil
			}
			f.check(test.want)
			if !recordExists() {
				t.Error("the first look removed the record")
			}
			f.check(test.want)
			if recordExists() != (test.want != "") {
				t.Errorf("after the second look, the record exists: %t", recordExists())
			}
			os.Remove(filepath.Join(f.Dir, "it.keep"))
			f.check("")
		})
	}
	// What cannot be read is an error, and so counts as active.
	if err := lasting.write(f.Dir, "it.keep"); err != nil {
		t.Fatal(err)
	}
	runs("S", "many")
	if got, err := f.Look(0); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestRequestForATime(t *testing.T) {
	f := newFolder(t)
	f.Dir = filepath.Join(f.Dir, "new", "keep")
	var out bytes.Buffer
	code, err := Request{Dir: f.Dir, For: time.Hour, Reason: "a meeting"}.Run(&out)
	if err != nil || code != 0 {
		t.Fatal(code, err)
	}
	f.check("keep (a meeting)")
	path := filepath.Join(f.Dir, "time.keep")
	if want := "The server is kept awake for 1h0m0s. To end that: rm " + path + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.check("")
}

func TestRefusedRequests(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		Request
		code int
		want string
	}{
		"nothing":          {Request{}, 125, "requires a duration"},
		"negative":         {Request{For: -1, Command: []string{"true"}}, 125, "requires a duration"},
		"no such command":  {Request{Command: []string{"no-such-command"}}, 127, "no-such-command: not found"},
		"not executable":   {Request{Command: []string{file}}, 126, file + ": permission denied"},
		"folder is a file": {Request{Dir: file, Command: []string{"true"}}, 125, "cannot keep the server awake: "},
	} {
		t.Run(name, func(t *testing.T) {
			if test.Dir == "" {
				test.Dir = t.TempDir()
			}
			code, err := test.Run(&bytes.Buffer{})
			if code != test.code || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got exit code %d, error %v; want %d, %q", code, err, test.code, test.want)
			}
		})
	}
}
