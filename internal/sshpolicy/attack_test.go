package sshpolicy_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/rawssh"
)

// patience is how long these tests wait for what must happen.
const patience = 30 * time.Second

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// serve serves connections with any key until the test ends, and calls handle for each
// channel. It returns the server's address, and a channel that receives a value when a
// connection has ended.
func serve(t *testing.T, handle func(*sshpolicy.Conn, ssh.NewChannel)) (address string, ended <-chan struct{}) {
	t.Helper()
	config := sshpolicy.ServerConfig()
	config.AddHostKey(newKey(t))
	config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	over := make(chan struct{}, 1)
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				conn := sshpolicy.NewConn(raw)
				if client, channels, requests, err := sshpolicy.Handshake(conn, config); err == nil {
					go ssh.DiscardRequests(requests)
					for channel := range channels {
						handle(conn, channel)
					}
					_ = client.Wait()
				}
				<-conn.Closed()
				over <- struct{}{}
			}()
		}
	}()
	return listener.Addr().String(), over
}

// TestConnectionsLeaveNoGoroutines ends connections for a fault of the client's while
// more packets of the client's wait than package ssh queues.
func TestConnectionsLeaveNoGoroutines(t *testing.T) {
	key := newKey(t)
	flood := func(first []byte) [][]byte {
		packets := [][]byte{first}
		for range 64 {
			packets = append(packets, []byte{rawssh.MsgGlobalRequest, 0})
		}
		return packets
	}
	tests := map[string]func(t *testing.T, client *rawssh.Client){
		"instead of the login": func(t *testing.T, c *rawssh.Client) { _ = c.Send(flood(rawssh.Service("none"))...) },
		"during the login": func(t *testing.T, c *rawssh.Client) {
			_ = c.Send(rawssh.Service("ssh-userauth"))
			if _, err := c.Read(); err != nil {
				t.Fatal(err)
			}
			_ = c.Send(flood([]byte{rawssh.MsgUserAuth})...)
		},
		"after the login": func(t *testing.T, c *rawssh.Client) {
			c.Login(t, "dev", key)
			_ = c.Send(flood([]byte{rawssh.MsgChannelOpen})...)
		},
	}
	for name, attack := range tests {
		t.Run(name, func(t *testing.T) {
			address, ended := serve(t, func(_ *sshpolicy.Conn, channel ssh.NewChannel) { _ = channel.Reject(ssh.Prohibited, "no") })
			for range 10 {
				client := rawssh.Dial(t, address)
				attack(t, client)
				_ = client.Conn.Close()
				select {
				case <-ended:
				case <-time.After(patience):
					t.Fatalf("a connection has not ended:\n%s", sshGoroutines())
				}
			}
			for deadline := time.Now().Add(patience); ; runtime.Gosched() {
				left := sshGoroutines()
				if left == "" {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d goroutines are left, such as\n%s", strings.Count(left, "\n\n")+1, left)
				}
			}
		})
	}
}

// sshGoroutines are the stacks of all goroutines of package ssh.
func sshGoroutines() string {
	all := make([]byte, 1<<20)
	var found []string
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, "ssh.(*handshakeTransport)") {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

// TestAKeyExchangeThatDoesNotEndQueuesLittle begins a second key exchange while the server
// sends, and does not finish it.
func TestAKeyExchangeThatDoesNotEndQueuesLittle(t *testing.T) {
	var written, received atomic.Int64
	address, _ := serve(t, func(conn *sshpolicy.Conn, requested ssh.NewChannel) {
		intake := sshpolicy.NewIntake(sshpolicy.NewBudget(1<<30, 1<<30), "")
		conn.Limit(intake)
		channel, err := intake.Accept(requested)
		if err != nil {
			t.Error(err)
			return
		}
		go channel.Serve(sshpolicy.Refuse)
		go func() {
			_, _ = channel.Read(make([]byte, 1))
			for data := make([]byte, 32<<10); ; {
				n, err := channel.Write(data)
				written.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	})
	client := rawssh.Dial(t, address)
	client.Login(t, "dev", newKey(t))
	if err := client.Send(ssh.Marshal(struct {
		Type           string `sshtype:"90"`
		ID             uint32
		Window, Packet uint32
	}{"session", 0, 1 << 31, 1 << 20})); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Await(rawssh.MsgChannelConfirm); err != nil {
		t.Fatal(err)
	}
	data := ssh.Marshal(struct {
		ID   uint32 `sshtype:"94"`
		Data string
	}{0, "x"})
	if err := client.Send(data, rawssh.KexInit()); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			packet, err := client.Read()
			if err != nil {
				return
			}
			if packet[0] == rawssh.MsgChannelData {
				received.Add(int64(len(packet) - 9))
			}
		}
	}()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for last, same := int64(-1), 0; same < 10; same++ {
		<-pace.C
		if now := written.Load(); now != last || now == 0 {
			last, same = now, 0
		}
	}
	const most = 128 << 10
	if queued := written.Load() - received.Load(); queued == 0 || queued > most {
		t.Errorf("%d bytes are queued, want at most %d", queued, most)
	}
}
