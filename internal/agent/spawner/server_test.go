package spawner

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// testSpawner is a spawner in this process, whose only children are those of the spawner.
type testSpawner struct {
	client   *spawnapi.Client
	oomKills atomic.Int64
}

func run(t *testing.T, sshUID int) *testSpawner {
	t.Helper()
	dir := t.TempDir()
	ts := &testSpawner{client: &spawnapi.Client{Socket: filepath.Join(dir, "socket"), UID: os.Getuid()}}
	server, err := New(Config{
		Socket:         ts.client.Socket,
		SSHUID:         sshUID,
		Environment:    environ.Server{Inherited: os.Environ(), User: "dev", Home: dir, CgroupDir: dir},
		PasswdFile:     filepath.Join(dir, "passwd"),
		Shells:         []string{"/bin/sh"},
		ProcDir:        "/proc",
		OOMKills:       ts.oomKills.Load,
		MemoryLimit:    func() int64 { return 3 << 29 },
		Grace:          30 * time.Second,
		SocketInterval: time.Millisecond,
		Logger:         slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	deadline := time.After(30 * time.Second)
	for {
		// The socket gets its mode in a second step.
		if info, err := os.Stat(ts.client.Socket); err == nil && info.Mode().Perm()&0o111 == 0 {
			return ts
		}
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatal("the spawner does not listen")
		}
	}
}

// end runs a command, and returns how it ended.
func (ts *testSpawner) end(t *testing.T, command string) spawnapi.Exit {
	t.Helper()
	p, err := ts.client.Start(t.Context(), spawnapi.Start{Account: "dev", Kind: spawnapi.KindExec, Command: []byte(command)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	exit, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func TestOnlyTheSSHServerIsObeyed(t *testing.T) {
	ts := run(t, os.Getuid()+1)
	if err := ts.client.Ping(t.Context()); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("another user: got error %v, want the end of the connection", err)
	}
}

// TestRemovedSocket: the spawner listens again after a user has removed its socket, or has
// put something else in its place.
func TestRemovedSocket(t *testing.T) {
	ts := run(t, os.Getuid())
	other := filepath.Join(filepath.Dir(ts.client.Socket), "other")
	for _, put := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(other, nil, 0o600) },
		func() error { return os.MkdirAll(filepath.Join(other, "folder"), 0o700) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		// In one step: between two of them, the spawner could make a new socket.
		err := unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, ts.client.Socket, unix.RENAME_EXCHANGE)
		if errors.Is(err, unix.ENOENT) {
			err = os.Remove(ts.client.Socket)
		}
		if err := errors.Join(err, os.RemoveAll(other)); err != nil {
			t.Fatal(err)
		}
		deadline := time.After(30 * time.Second)
		for ts.client.Ping(t.Context()) != nil {
			select {
			case <-time.After(time.Millisecond):
			case <-deadline:
				t.Fatal("the spawner does not listen again")
			}
		}
	}
}

func TestExit(t *testing.T) {
	ts := run(t, os.Getuid())
	if got, want := ts.end(t, "exit 7"), (spawnapi.Exit{Code: 7}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := ts.end(t, "kill $$"), (spawnapi.Exit{Signal: int(syscall.SIGTERM)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestRelayedOutput: when the end of a process is reported, all output of its relayed
// terminal has been sent.
func TestRelayedOutput(t *testing.T) {
	ts := run(t, os.Getuid())
	ts.client.Relay = true
	for range 50 {
		p, err := ts.client.Start(t.Context(), spawnapi.Start{
			Account: "dev", Kind: spawnapi.KindExec, Command: []byte("sleep 1000 & echo last words"), Terminal: &spawnapi.Terminal{},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		text, err := sent(p.Terminal)
		if err != nil || !strings.Contains(text, "last words") {
			t.Errorf("sent before the end was reported: %q, error %v, want the last words", text, err)
		}
		p.Close()
	}
}

// sent reads what has been sent to a stream, without waiting.
func sent(stream spawnapi.Stream) (text string, err error) {
	raw, err := stream.(syscall.Conn).SyscallConn()
	if err != nil {
		return "", err
	}
	buffer := make([]byte, 1<<20)
	for {
		var n int
		fail := raw.Read(func(fd uintptr) bool {
			n, err = unix.Read(int(fd), buffer)
			return true
		})
		switch {
		case fail == nil && (errors.Is(err, unix.EAGAIN) || err == nil && n == 0):
			return text, nil
		case fail != nil || err != nil:
			return text, errors.Join(fail, err)
		}
		text += string(buffer[:n])
	}
}

// TestKilledForMemory: the end of a process names the memory limit if the kernel has
// killed a process because of it since the last one.
func TestKilledForMemory(t *testing.T) {
	ts := run(t, os.Getuid())
	if got, want := ts.end(t, "kill -9 $$"), (spawnapi.Exit{Signal: int(syscall.SIGKILL)}); got != want {
		t.Errorf("killed by the user: got %+v, want %+v", got, want)
	}
	ts.oomKills.Store(1)
	got := ts.end(t, "kill -9 $$")
	if got.Signal != int(syscall.SIGKILL) || !strings.HasPrefix(got.Message, "sh (pid ") || !strings.HasSuffix(got.Message, ") was killed: the server reached its memory limit of 1536Mi.\n") {
		t.Errorf("killed by the kernel: got %+v", got)
	}
	if got, want := ts.end(t, "kill -9 $$"), (spawnapi.Exit{Signal: int(syscall.SIGKILL)}); got != want {
		t.Errorf("killed by the user again: got %+v, want %+v", got, want)
	}
}

func TestRefusals(t *testing.T) {
	ts := run(t, os.Getuid())
	for name, test := range map[string]struct {
		start spawnapi.Start
		code  int
		want  string
	}{
		"no such account": {spawnapi.Start{Account: "root", Kind: spawnapi.KindExec}, 126, `no account "root"`},
		"a newer kind":    {spawnapi.Start{Account: "dev", Kind: "future"}, 126, "until it is restarted"},
	} {
		_, err := ts.client.Start(t.Context(), test.start)
		refused, ok := errors.AsType[*spawnapi.Refusal](err)
		if !ok || refused.Code != test.code || !strings.Contains(refused.Text, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A request of a newer SSH server.
	raw, err := net.Dial("unix", ts.client.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := &spawnapi.Conn{UnixConn: raw.(*net.UnixConn)}
	if err := c.Send(map[string]any{"version": 99, "future": true}); err != nil {
		t.Fatal(err)
	}
	var reply spawnapi.Reply
	if _, err := c.Receive(&reply, spawnapi.MaxRequest); err != nil || reply.Refused == nil || !strings.Contains(reply.Refused.Text, "until it is restarted") {
		t.Errorf("a newer request: got %+v, %v", reply.Refused, err)
	}
}
