package process

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func sleeper(t *testing.T) Spec {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Spec{
		Name: "sleeper", Path: "/bin/sleep", Args: []string{"1000"}, Configs: []string{config},
		Log: filepath.Join(dir, "log"), PidFile: filepath.Join(dir, "pid"),
	}
}

func start(t *testing.T, s Spec) (Record, <-chan error) {
	t.Helper()
	ended, err := Start(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Stop(t.Context(), s.PidFile, 0) })
	record, alive := Find(s.PidFile)
	if !alive {
		t.Fatal("the daemon that was just started is not found")
	}
	return record, ended
}

func TestDaemonLifecycle(t *testing.T) {
	s := sleeper(t)
	if running, _ := s.Current(); running {
		t.Fatal("it runs before it was started")
	}
	start(t, s)
	if running, same := s.Current(); !running || !same {
		t.Errorf("running %t, same %t; want both", running, same)
	}
	if err := os.WriteFile(s.Configs[0], []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if running, same := s.Current(); !running || same {
		t.Errorf("after its configuration changed: running %t, same %t; want a daemon to restart", running, same)
	}
	if err := Stop(t.Context(), s.PidFile, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if running, _ := s.Current(); running {
		t.Error("it runs after it was stopped")
	}
}

func TestKilledDaemonIsReported(t *testing.T) {
	s := sleeper(t)
	record, ended := start(t, s)
	if err := unix.Kill(record.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !strings.Contains(err.Error(), "killed") {
		t.Errorf("the end is reported as %q", err)
	}
	if _, alive := Find(s.PidFile); alive {
		t.Error("it is alive after it was killed")
	}
}

func TestReusedProcessIDIsNotKilled(t *testing.T) {
	s := sleeper(t)
	record, _ := start(t, s)
	for name, forge := range map[string]func(*Record){
		"another birth": func(r *Record) { r.Born += "1" },
		"another boot":  func(r *Record) { r.Boot = "another" },
	} {
		forged := record
		forge(&forged)
		data, err := json.Marshal(forged)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "pid")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Stop(t.Context(), path, 0); err != nil {
			t.Fatal(err)
		}
		if _, alive := Find(s.PidFile); !alive {
			t.Fatalf("%s: a process was killed that is not the recorded one", name)
		}
	}
}

// The daemon must not keep a lock of this command until the cluster is removed.
func TestDaemonInheritsNoFiles(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inherited, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	record, _ := start(t, sleeper(t))
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", record.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", record.Pid, e.Name()))
		if strings.HasSuffix(target, "/lock") {
			t.Errorf("the daemon holds %s open", target)
		}
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Tail(path, 2); got != "two\nthree" {
		t.Errorf("got %q", got)
	}
}
