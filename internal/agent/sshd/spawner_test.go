package sshd

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/agent/spawner"
)

// spawnerVariable makes this program a spawner, whose home directory is its value.
const spawnerVariable = "SPAWNER_OF_TEST"

// TestMain runs tests, or a spawner. A spawner collects all children of its process, so
// it is a process of its own.
func TestMain(m *testing.M) {
	if dir := os.Getenv(spawnerVariable); dir != "" {
		runSpawner(dir)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func socketIn(dir string) string { return filepath.Join(dir, "spawner.sock") }

func runSpawner(dir string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	server, err := spawner.New(spawner.Config{
		Socket:      socketIn(dir),
		SSHUID:      os.Getuid(),
		Environment: environ.Server{Inherited: os.Environ(), User: "dev", Home: dir, CgroupDir: dir},
		PasswdFile:  filepath.Join(dir, "passwd"),
		Shells:      []string{"/bin/sh"},
		MotdFile:    filepath.Join(dir, "motd"),
		ProcDir:     "/proc",
		RuntimeDir:  filepath.Join(dir, "run"),
		Report:      func(context.Context, spawnapi.ReportRequest) spawnapi.Report { return spawnapi.Report{} },
		Usage:       func() string { return "" },
		OOMKills:    func() int64 { return 0 },
		MemoryLimit: func() int64 { return 0 },
		Grace:       patience,
		Logger:      log,
	})
	if err == nil {
		err = server.Run(ctx)
	}
	if err != nil {
		log.Error("the spawner failed", "error", err)
		os.Exit(1)
	}
}

// testSpawner is a spawner in a process of its own.
type testSpawner struct {
	cmd    *exec.Cmd
	socket string
}

func startSpawner(t testing.TB, home string) *testSpawner {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := &testLog{}
	s := &testSpawner{cmd: exec.Command(program), socket: socketIn(home)}
	s.cmd.Env = append(os.Environ(), spawnerVariable+"="+home)
	s.cmd.Stderr = log
	s.cmd.WaitDelay = time.Second // a process that a test leaves behind has the log open
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("the spawner's log:\n%s", log)
		}
	})
	client := &spawnapi.Client{Socket: s.socket, UID: os.Getuid()}
	deadline := time.After(patience)
	for client.Ping(t.Context()) != nil {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("the spawner does not answer:\n%s", log)
		}
	}
	return s
}

func (s *testSpawner) stop() { _ = s.cmd.Process.Signal(syscall.SIGTERM) }
