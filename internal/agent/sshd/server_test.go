package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// patience is how long tests wait for an event before they fail.
const patience = 30 * time.Second

// testServer is a server in this process, and a key that may log in.
type testServer struct {
	t       testing.TB
	server  *Server
	home    string
	address string
	key     ssh.Signer
	hostKey ssh.PublicKey
	keys    string // authorized_keys
	log     *testLog
	ended   chan struct{}
	// stop stops the whole dev server, and stopServer the SSH server only.
	stop, stopServer context.CancelFunc
}

type testLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// serve starts a server. configure may change its configuration before that.
func serve(t testing.TB, configure func(*Config)) *testServer {
	t.Helper()
	dir := t.TempDir()
	spawner := startSpawner(t, dir)
	ts := &testServer{t: t, home: dir, key: newSigner(t), keys: filepath.Join(dir, "authorized_keys"), log: &testLog{}, ended: make(chan struct{})}
	ts.authorize(ts.key)
	hostKey := newSigner(t)
	ts.hostKey = hostKey.PublicKey()
	cfg := Config{
		HostKey:              hostKey,
		AuthorizedKeysFile:   ts.keys,
		User:                 "dev",
		Spawner:              &spawnapi.Client{Socket: spawner.socket, UID: os.Getuid()},
		Traffic:              activity.NewTraffic(activity.NewClock()),
		Timeouts:             sshpolicy.Timeouts{KeyExchange: patience, Login: patience},
		KeepaliveInterval:    patience,
		KeysInterval:         10 * time.Millisecond,
		Grace:                patience,
		MaxPending:           100,
		MaxPendingPerAddress: 64,
		Logger:               slog.New(slog.NewTextHandler(ts.log, nil)),
	}
	if configure != nil {
		configure(&cfg)
	}
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ts.server, ts.address = server, listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ts.stopServer = cancel
	ts.stop = func() {
		// As a kubelet does, in no particular order.
		spawner.stop()
		cancel()
	}
	go func() {
		defer close(ts.ended)
		if err := server.Serve(ctx, listener); err != nil {
			t.Errorf("serving: %v", err)
		}
	}()
	t.Cleanup(func() {
		ts.stop()
		<-ts.ended
		if t.Failed() {
			t.Logf("the server's log:\n%s", ts.log)
		}
	})
	return ts
}

// authorize makes the keys the only ones that may log in.
func (ts *testServer) authorize(keys ...ssh.Signer) {
	ts.t.Helper()
	var text []byte
	for _, key := range keys {
		text = append(text, ssh.MarshalAuthorizedKey(key.PublicKey())...)
	}
	fresh := ts.keys + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		ts.t.Fatal(err)
	}
	if err := os.Rename(fresh, ts.keys); err != nil {
		ts.t.Fatal(err)
	}
}

func (ts *testServer) config(user string, auth ...ssh.AuthMethod) *ssh.ClientConfig {
	return &ssh.ClientConfig{User: user, Auth: auth, HostKeyCallback: ssh.FixedHostKey(ts.hostKey), Timeout: patience}
}

func (ts *testServer) dial() *ssh.Client {
	ts.t.Helper()
	client, err := ssh.Dial("tcp", ts.address, ts.config("dev", ssh.PublicKeys(ts.key)))
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { client.Close() })
	return client
}

func (ts *testServer) session(client *ssh.Client) *ssh.Session {
	ts.t.Helper()
	session, err := client.NewSession()
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { session.Close() })
	return session
}

// waitLog waits until the log contains a text.
func (ts *testServer) waitLog(text string) {
	ts.t.Helper()
	ts.await("the log to contain "+text, func() bool { return strings.Contains(ts.log.String(), text) })
}

// await polls until done returns true. The server's goroutines and processes send
// no notification that a test could wait for.
func (ts *testServer) await(what string, done func() bool) {
	ts.t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			ts.t.Fatalf("timed out waiting for %s", what)
		}
	}
}
