package reach

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"devserver.io/devserver/internal/cli/cluster"
)

// TestReportEndsWithItsContext: a program that ssh has started, such as its
// ProxyCommand, can outlive ssh and keep its output open.
func TestReportEndsWithItsContext(t *testing.T) {
	answers, _ := addresses(t)
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	script := "#!/bin/sh\nsleep 3600 &\necho $! > " + started + ".new\nmv " + started + ".new " + started + "\nwait\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", dir)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := Report(ctx, &cluster.Cluster{}, running(newHostKey(t), answers))
		ended <- err
	}()
	var pid int
	for pid == 0 {
		if text, err := os.ReadFile(started); err == nil {
			if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended early: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	cancel()
	if err := <-ended; err == nil {
		t.Error("got a report from a program that was ended")
	}
}

func TestExplainFailure(t *testing.T) {
	for complaints, want := range map[string]string{
		"subsystem request failed on channel 0":               "the agent is too old to report them; a restart brings the current one",
		"Warning: x\ndev@h: Permission denied (publickey).\n": "ssh: dev@h: Permission denied (publickey).",
		"": "ssh failed: exit status 255",
	} {
		if got := explainFailure(complaints, errors.New("exit status 255")).Error(); got != want {
			t.Errorf("%q: got %q, want %q", complaints, got, want)
		}
	}
}
