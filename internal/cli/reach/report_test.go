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

// A server that sends a report without an end, or complaints without an end, does not
// fill the memory of devctl: ssh is ended, or what it writes is dropped.
func TestEndlessReport(t *testing.T) {
	answers, _ := addresses(t)
	for name, test := range map[string]struct{ script, want string }{
		"report":     {"exec tr '\\0' ' ' < /dev/zero\n", "the agent's report is longer than 65536 bytes"},
		"complaints": {"head -c 100000000 /dev/zero >&2\necho {}\n", ""},
		"signals":    {`echo "{\"signals\":[{}$(printf ',{}%.0s' $(seq 32))]}"`, "the agent's report has 33 signals; at most 32 are accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/bash\n"+test.script), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			t.Setenv("XDG_CACHE_HOME", dir)
			_, err := Report(t.Context(), &cluster.Cluster{}, running(newHostKey(t), answers))
			if (err == nil) != (test.want == "") || (err != nil && err.Error() != test.want) {
				t.Errorf("got the error %v, want %q", err, test.want)
			}
		})
	}
}

func TestBoundedDropsTheRest(t *testing.T) {
	b := bounded{limit: 5, drops: true}
	for _, text := range []string{"abc", "def", "ghi"} {
		if n, err := b.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("writing %q: %d, %v", text, n, err)
		}
	}
	if got := b.text.String(); got != "abcde" {
		t.Errorf("it keeps %q, want %q", got, "abcde")
	}
}
