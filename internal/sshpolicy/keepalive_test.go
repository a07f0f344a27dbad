package sshpolicy

import (
	"bytes"
	"crypto/ed25519"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// buffered is an end of a net.Pipe whose writes do not wait for the reader:
// both ends of an SSH connection speak first.
type buffered struct {
	net.Conn
	writes chan []byte
}

func buffer(t *testing.T, conn net.Conn) buffered {
	b := buffered{Conn: conn, writes: make(chan []byte, 1024)}
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	go func() {
		for {
			select {
			case p := <-b.writes:
				_, _ = conn.Write(p)
			case <-ended:
				return
			}
		}
	}()
	return b
}

func (b buffered) Write(p []byte) (int, error) {
	b.writes <- bytes.Clone(p)
	return len(p), nil
}

// stallable is a connection on which writes can be made to get nowhere.
type stallable struct {
	net.Conn
	stalled, closed atomic.Bool
	end             chan struct{}
}

func (s *stallable) Write(p []byte) (int, error) {
	if s.stalled.Load() {
		<-s.end
		return 0, net.ErrClosed
	}
	return s.Conn.Write(p)
}

func (s *stallable) Close() error {
	if s.closed.CompareAndSwap(false, true) {
		close(s.end)
	}
	return s.Conn.Close()
}

// end is one end of an SSH connection, and what the other asks of it.
type end struct {
	ssh.Conn
	requests <-chan *ssh.Request
	raw      *stallable
}

// connect returns the two ends of an SSH connection with the policy's
// algorithms. Both ends' requests are for the test to answer.
func connect(t *testing.T, change func(*ssh.ClientConfig)) (server, client end, err error) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := ServerConfig()
	config.NoClientAuth = true
	config.AddHostKey(hostKey)

	serverSide, clientSide := net.Pipe()
	t.Cleanup(func() {
		_ = serverSide.Close()
		_ = clientSide.Close()
	})
	accepted := make(chan end, 1)
	go func() {
		raw := &stallable{Conn: buffer(t, serverSide), end: make(chan struct{})}
		conn, channels, requests, err := ssh.NewServerConn(raw, config)
		if err == nil {
			go func() {
				for c := range channels {
					_ = c.Reject(ssh.Prohibited, "")
				}
			}()
		}
		accepted <- end{conn, requests, raw}
	}()
	clientConfig := &ssh.ClientConfig{HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey())}
	if change != nil {
		change(clientConfig)
	}
	conn, _, requests, err := ssh.NewClientConn(buffer(t, clientSide), "server", clientConfig)
	return <-accepted, end{Conn: conn, requests: requests}, err
}

func TestKeepAliveEndsASilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _, err := connect(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		KeepAlive(server, server.requests, 30*time.Second, 4) // the client reads no request
		if got, want := time.Since(start), 5*30*time.Second; got != want {
			t.Errorf("the connection ended after %v, want %v: one interval and four that it left unanswered", got, want)
		}
	})
}

// Who asks for something and does not take the answer is silent too. It happens
// in real time: what waits for a mutex, as the library does here, stands still
// in a bubble.
func TestKeepAliveEndsAStalledConnection(t *testing.T) {
	server, client, err := connect(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	server.raw.stalled.Store(true)
	go func() { _, _, _ = client.SendRequest("tcpip-forward", true, nil) }()
	KeepAlive(server, server.requests, 10*time.Millisecond, 4) // returns, or the test does not
	_ = client.Close()
}

// A client's own requests are refused, and the next one is not held up.
func TestKeepAliveRefusesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client, err := connect(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			KeepAlive(server, server.requests, 30*time.Second, 2)
			close(done)
		}()
		for i := range 40 {
			if ok, _, err := client.SendRequest("tcpip-forward", i%2 == 0, nil); ok || err != nil {
				t.Fatalf("request %d: %v, %v, want it refused", i, ok, err)
			}
		}
		_ = client.Close()
		<-done
	})
}

func TestKeepAliveKeepsAnAnsweringConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client, err := connect(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			KeepAlive(server, server.requests, 30*time.Second, 2)
			close(done)
		}()
		for range 20 {
			request := <-client.requests
			if request == nil {
				t.Fatal("the connection ended although every request was answered")
			}
			if request.Type != "keepalive@openssh.com" || !request.WantReply {
				t.Fatalf("got the request %q (wants a reply: %v), want keepalive@openssh.com that wants one", request.Type, request.WantReply)
			}
			// OpenSSH answers every one with a failure.
			if err := request.Reply(false, nil); err != nil {
				t.Fatal(err)
			}
		}
		_ = client.Close()
		<-done
	})
}

func TestServerConfigAgreesToSafeAlgorithmsOnly(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*ssh.ClientConfig)
		want   bool
	}{
		"Defaults":    {"a client of today gets in", func(*ssh.ClientConfig) {}, true},
		"AES256GCM":   {"an AEAD cipher that needs no strict key exchange", func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.CipherAES256GCM} }, true},
		"PostQuantum": {"the key exchange that resists quantum computers", func(c *ssh.ClientConfig) { c.KeyExchanges = []string{ssh.KeyExchangeMLKEM768X25519} }, true},
		"AES-CTR":     {"not an AEAD cipher", func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.CipherAES128CTR} }, false},
		"ChaCha20":    {"open to prefix truncation without strict key exchange", func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.CipherChaCha20Poly1305} }, false},
		"SHA-1": {"a key exchange with SHA-1", func(c *ssh.ClientConfig) {
			c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1}
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := connect(t, tc.change)
			if got := err == nil; got != tc.want {
				t.Errorf("%s: agreed = %v, want %v (%v)", tc.reason, got, tc.want, err)
			}
		})
	}
}

func TestHandshakeTakesNoLongerThanAllowed(t *testing.T) {
	config := ServerConfig()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(hostKey)
	config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	cases := map[string]struct {
		reason string
		client func(conn net.Conn, over <-chan struct{})
		want   time.Duration
	}{
		"Silent": {
			reason: "no person takes part in the key exchange",
			client: func(net.Conn, <-chan struct{}) {},
			want:   KeyExchangeTimeout,
		},
		"Unsure": {
			reason: "a person may have to compare the server's key during the key exchange",
			client: func(conn net.Conn, over <-chan struct{}) {
				_, _, _, _ = ssh.NewClientConn(conn, "server", &ssh.ClientConfig{
					HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error {
						<-over
						return nil
					},
				})
			},
			want: LoginTimeout,
		},
		"Undecided": {
			reason: "a person may have to type a passphrase after the key exchange",
			client: func(conn net.Conn, over <-chan struct{}) {
				_, _, _, _ = ssh.NewClientConn(conn, "server", &ssh.ClientConfig{
					HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey()),
					Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
						<-over
						return nil, nil
					})},
				})
			},
			want: LoginTimeout,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				serverSide, clientSide := net.Pipe()
				defer clientSide.Close()
				over := make(chan struct{})
				defer close(over)
				go tc.client(buffer(t, clientSide), over)
				start := time.Now()
				if _, _, _, err := Handshake(buffer(t, serverSide), config); err == nil {
					t.Error("the login succeeded")
				}
				if got := time.Since(start); got != tc.want {
					t.Errorf("%s: cut off after %v, want %v", tc.reason, got, tc.want)
				}
			})
		})
	}
}
