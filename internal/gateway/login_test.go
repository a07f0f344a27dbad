package gateway

import (
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/sshserver"
)

// one is a listener with one connection.
type one struct {
	net.Listener
	conns chan net.Conn
}

func (l one) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

// A client that sends the handshake byte by byte has no more time for it than others,
// and then no longer counts as logging in.
func TestASlowHandshakeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(sshserver.NewKey(t), newDirectory(), nil, discard())
		s.door = sshpolicy.NewDoor(1, 1, sshpolicy.SiteBits)
		listener := one{conns: make(chan net.Conn)}
		go s.serve(listener)
		theirs, ours := net.Pipe()
		listener.conns <- theirs
		go func() { _, _ = io.Copy(io.Discard, ours) }()

		begin := time.Now()
		for i := 0; ; i++ {
			if _, err := ours.Write([]byte("SSH-2.0-" + strings.Repeat("x", 100))[i%100:][:1]); err != nil {
				break
			}
			<-time.After(time.Second)
		}
		if got := time.Since(begin); got > sshpolicy.KeyExchangeTimeout+time.Second {
			t.Errorf("cut off after %v, want %v", got, sshpolicy.KeyExchangeTimeout)
		}
		s.running.Wait() // Then it no longer counts.
		if got := testutil.ToFloat64(s.metrics.logins.WithLabelValues(resultFailed)); got != 1 {
			t.Errorf("%v failed logins are counted, want 1", got)
		}
		close(listener.conns)
	})
}

// unsigned is a public key without its private half.
type unsigned struct {
	key   ssh.PublicKey
	asked *atomic.Int64 // how often a signature was wanted
}

func (u unsigned) PublicKey() ssh.PublicKey { return u.key }

func (u unsigned) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	return u.SignWithAlgorithm(random, data, ssh.KeyAlgoRSASHA512)
}

func (u unsigned) SignWithAlgorithm(_ io.Reader, _ []byte, algorithm string) (*ssh.Signature, error) {
	u.asked.Add(1)
	return &ssh.Signature{Format: algorithm, Blob: make([]byte, 2048)}, nil
}

// rsaKey is a public key of that size, without the cost of generating one.
func rsaKey(t *testing.T, bits int) ssh.PublicKey {
	t.Helper()
	modulus, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	if err != nil {
		t.Fatal(err)
	}
	modulus.SetBit(modulus, bits-1, 1).SetBit(modulus, 0, 1)
	return rawKey(ssh.Marshal(struct {
		Kind string
		E, N *big.Int
	}{ssh.KeyAlgoRSA, big.NewInt(65537), modulus}))
}

// rawKey is a public key in its wire format, whatever it is.
type rawKey []byte

func (rawKey) Type() string                        { return ssh.KeyAlgoRSA }
func (k rawKey) Marshal() []byte                   { return k }
func (rawKey) Verify([]byte, *ssh.Signature) error { return errors.New("not used") }

// A huge key costs the gateway a hash, and no computation with the key: only known
// keys are asked for a signature.
func TestHugeKeysAreNotComputedWith(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	for _, bits := range []int{16384, 32768} {
		huge := unsigned{rsaKey(t, bits), &atomic.Int64{}}
		if _, err := w.login(t, nil, huge); err == nil {
			t.Errorf("an unknown key of %d bits logs in", bits)
		}
		if n := huge.asked.Load(); n > 0 {
			t.Errorf("the gateway wanted %d signatures of an unknown key of %d bits", n, bits)
		}
		if _, err := w.login(t, nil, huge, alice); err != nil {
			t.Errorf("alice, who has a key of %d bits as well: %v", bits, err)
		}
	}
}

// An agent can offer many keys, but the number of attempts is bounded.
func TestManyKeysAreBounded(t *testing.T) {
	var offered atomic.Int64
	w := newWorld(t, func(s *server) {
		decide := s.ssh.PublicKeyCallback
		s.ssh.PublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			offered.Add(1)
			return decide(conn, key)
		}
	})
	alice := sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	var keys []ssh.Signer
	for range 100 {
		keys = append(keys, sshserver.NewKey(t))
	}
	if _, err := w.login(t, nil, append(keys[:15:15], alice)...); err != nil {
		t.Errorf("the sixteenth key is the right one: %v", err)
	}
	offered.Store(0)
	if _, err := w.login(t, nil, append(keys, alice)...); err == nil {
		t.Error("the 101st key logs in")
	}
	if got, most := offered.Load(), int64(sshpolicy.ServerConfig().MaxAuthTries); got > most {
		t.Errorf("%d keys were looked at, want at most %d", got, most)
	}
}

// A client that is not logged in cannot make the gateway read much.
func TestNonsenseBeforeLoginIsCutOff(t *testing.T) {
	const much = 64 << 20
	for name, begin := range map[string]string{
		"EndlessVersion": "SSH-2.0-",
		"EndlessBanner":  "HTTP/1.1 200 OK\r\n",
		"HugePacket":     "SSH-2.0-x\r\n\x7f\xff\xff\xff",
		"NoPacket":       "SSH-2.0-x\r\n\x00\x00\x00\x00",
		"BadPadding":     "SSH-2.0-x\r\n\x00\x00\x00\x0c\xff",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			conn := dial(t, w.address)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			if _, err := io.WriteString(conn, begin); err != nil {
				t.Fatal(err)
			}
			chunk := []byte(strings.Repeat("x", 1<<16))
			for sent := 0; ; sent += len(chunk) {
				if _, err := conn.Write(chunk); err != nil {
					return
				}
				if sent > much {
					t.Fatalf("the gateway took in %d bytes", sent)
				}
			}
		})
	}
}
