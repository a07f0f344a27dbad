package sshpolicy_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/rawssh"
)

// patience is how long these tests wait for what must happen.
const patience = 30 * time.Second

// serve serves connections that log in with the key until the test ends. It returns the
// server's address, and a channel that receives a value when a connection has ended.
func serve(t *testing.T, key ssh.PublicKey) (address string, ended <-chan struct{}) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := sshpolicy.ServerConfig()
	config.AddHostKey(hostKey)
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
						_ = channel.Reject(ssh.Prohibited, "no")
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
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
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
			address, ended := serve(t, key.PublicKey())
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
	for _, stack := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, "ssh.(*handshakeTransport)") {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}
