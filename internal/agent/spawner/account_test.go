package spawner

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/environ"
)

func TestGroups(t *testing.T) {
	file := filepath.Join(t.TempDir(), "group")
	text := "root:x:0:\nsudo:x:27:a,dev\ndev:x:1000:dev\nbad:x:y:dev\nshort:x:3\nnot:x:4:devil\ntwice:x:27:dev\nlast:x:4711:dev"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &account{cfg: &Config{GroupFile: file}, name: "dev", gid: 1000}
	if got, want := a.groups(), []uint32{1000, 27, 4711}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	a.cfg.GroupFile = filepath.Join(t.TempDir(), "nonesuch")
	if got, want := a.groups(), []uint32{1000}; !slices.Equal(got, want) {
		t.Errorf("without the file: got %v, want %v", got, want)
	}
}

// userOfTest returns the user's account of a server with root login.
func userOfTest(t *testing.T) *account {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("acting as another user requires root")
	}
	cfg := &Config{RootLogin: true, UID: 54321, GID: 54322, Environment: environ.Server{User: "dev"}}
	return newAccounts(cfg, nil)["dev"]
}

// TestAsHasTheUsersRights: new files belong to the user, root's files are not
// accessible, and the peer of a socket sees the user.
func TestAsHasTheUsersRights(t *testing.T) {
	user := userOfTest(t)
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	for path, mode := range map[string]fs.FileMode{filepath.Dir(dir): 0o755, dir: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.Chmod(listener.Addr().String(), 0o777)); err != nil {
		t.Fatal(err)
	}
	err = user.as(func() error {
		if _, err := os.Create(filepath.Join(dir, "mine")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("creating a file in root's folder: got %v, want a permission error", err)
		}
		socket, err := net.Dial("unix", listener.Addr().String())
		if err != nil {
			return err
		}
		return errors.Join(socket.Close(), os.WriteFile(filepath.Join(open, "file"), nil, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	var made unix.Stat_t
	if err := unix.Stat(filepath.Join(open, "file"), &made); err != nil || made.Uid != 54321 || made.Gid != 54322 {
		t.Errorf("the file belongs to %d:%d, %v", made.Uid, made.Gid, err)
	}
	socket, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if peer := peerOf(t, socket); peer.Uid != 54321 || peer.Gid != 54322 {
		t.Errorf("the peer sees %d:%d", peer.Uid, peer.Gid)
	}
}

func peerOf(t *testing.T, socket *net.UnixConn) *unix.Ucred {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return peer
}

// TestAsChangesItsThreadOnly: other goroutines stay root, and the thread is root
// again afterwards. During the call, the thread's real id stays root's, so the
// user cannot signal it.
func TestAsChangesItsThreadOnly(t *testing.T) {
	user := userOfTest(t)
	inside, done := make(chan struct{}), make(chan struct{})
	var others sync.WaitGroup
	for range 8 {
		others.Go(func() {
			<-inside
			if os.Geteuid() != 0 {
				t.Error("another goroutine is not root")
			}
		})
	}
	go func() {
		others.Wait()
		close(done)
	}()
	before, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	err = user.as(func() error {
		close(inside)
		<-done
		if os.Getuid() != 0 || os.Geteuid() != 54321 || os.Getegid() != 54322 {
			t.Errorf("the thread has the ids %d, %d and %d", os.Getuid(), os.Geteuid(), os.Getegid())
		}
		return fs.ErrInvalid
	})
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("the error is %v", err)
	}
	after, err := os.Getgroups()
	if err != nil || os.Geteuid() != 0 || os.Getegid() != os.Getgid() || !slices.Equal(before, after) {
		t.Errorf("afterwards the agent is %d:%d in %v, %v", os.Geteuid(), os.Getegid(), after, err)
	}
}
