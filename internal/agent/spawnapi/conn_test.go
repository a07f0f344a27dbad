package spawnapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns two ends of a connection.
func pair(t *testing.T) (a, b *Conn) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.DialUnix("unix", nil, listener.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return &Conn{client}, &Conn{server}
}

// openFiles returns how many files this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// awaitFiles waits until at most so many files are open. The other end of a connection,
// in this process too, closes its own later.
func awaitFiles(t *testing.T, most int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for openFiles(t) > most {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("%d files are open, want %d", openFiles(t), most)
		}
	}
}

func TestMessagesHaveFiles(t *testing.T) {
	from, to := pair(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	// Any bytes, and more than a socket takes at once.
	sent := Start{Command: []byte(strings.Repeat("\xff\x00a\n", 60_000))}
	failed := make(chan error, 1)
	go func() {
		defer write.Close()
		failed <- from.Send(sent, write)
	}()
	var got Start
	files, err := to.Receive(&got, MaxRequest)
	if err != nil || len(files) != 1 || !bytes.Equal(got.Command, sent.Command) {
		t.Fatalf("got %d files, %d bytes, %v", len(files), len(got.Command), err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if _, err := files[0].WriteString("through"); err != nil {
		t.Fatal(err)
	}
	files[0].Close()
	if text, err := io.ReadAll(read); string(text) != "through" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestReceiveRefuses(t *testing.T) {
	frame := func(text string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	for name, test := range map[string]struct {
		bytes []byte
		files int
		want  string
	}{
		"a long message":   {binary.BigEndian.AppendUint32(nil, MaxRequest+1), 0, "is longer than"},
		"a longer message": {[]byte{255, 255, 255, 255}, 0, "is longer than"},
		"no JSON":          {frame("hello"), 1, "malformed"},
		"another type":     {frame(`{"code": "x"}`), 3, "malformed"},
		"half a message":   {frame(`{"code": 1}`)[:7], 1, "unexpected EOF"},
		"nothing":          {nil, 0, "EOF"},
		"too many files":   {frame(`{}`), 4, "more files than allowed"},
		"very many files":  {frame(`{}`), 200, "more files than allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := pair(t)
			before := openFiles(t)
			var rights []byte
			if test.files > 0 {
				fds := make([]int, test.files)
				for i := range fds {
					fds[i] = int(os.Stderr.Fd())
				}
				rights = unix.UnixRights(fds...)
			}
			if len(test.bytes) > 0 {
				if _, _, err := from.WriteMsgUnix(test.bytes, rights, nil); err != nil {
					t.Fatal(err)
				}
			}
			from.Close()
			var exit Exit
			files, err := to.Receive(&exit, maxMessage)
			if err == nil || !strings.Contains(err.Error(), test.want) || files != nil {
				t.Errorf("got %d files and error %v, want %q", len(files), err, test.want)
			}
			awaitFiles(t, before-1) // one end is closed
		})
	}
}

func TestOtherUsersAreRefused(t *testing.T) {
	a, b := pair(t)
	if _, err := NewConn(a.UnixConn, os.Getuid()); err != nil {
		t.Errorf("this user: %v", err)
	}
	if _, err := NewConn(b.UnixConn, os.Getuid()+1); err == nil {
		t.Error("another user is accepted")
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection of another user is open: %v", err)
	}
}
