// Package rawssh gives tests an SSH client that sends any packets, in any order, as an
// attacker's client does.
package rawssh

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Numbers of messages: RFC 4250, section 4.1.
const (
	MsgServiceRequest = 5
	MsgKexInit        = 20
	msgNewKeys        = 21
	msgKexReply       = 31
	MsgUserAuth       = 50
	MsgAuthSuccess    = 52
	MsgGlobalRequest  = 80
	MsgChannelOpen    = 90
	MsgChannelConfirm = 91
	MsgChannelAdjust  = 93
	MsgChannelData    = 94
	MsgChannelEOF     = 96
)

// version is the client's version.
const version = "SSH-2.0-raw"

// Client is a connection whose first key exchange is finished.
type Client struct {
	Conn net.Conn

	in         *bufio.Reader
	session    []byte
	seal, open *gcm
}

// Dial connects to a server and exchanges keys. It does not check the server's.
func Dial(t testing.TB, address string) *Client {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &Client{Conn: conn, in: bufio.NewReader(conn)}
	if err := c.exchange(); err != nil {
		t.Fatalf("exchanging keys: %v", err)
	}
	return c
}

// KexInit is the message that begins a key exchange.
func KexInit() []byte {
	return ssh.Marshal(struct {
		Cookie                               [16]byte `sshtype:"20"`
		Kex, HostKey, Encrypt, Decrypt       []string
		MAC, ServerMAC, Compress, Decompress []string
		Languages, ServerLanguages           []string
		Follows                              bool
		Reserved                             uint32
	}{
		Kex: []string{ssh.KeyExchangeCurve25519}, HostKey: []string{ssh.KeyAlgoED25519},
		Encrypt: []string{ssh.CipherAES128GCM}, Decrypt: []string{ssh.CipherAES128GCM},
		MAC: []string{ssh.HMACSHA256ETM}, ServerMAC: []string{ssh.HMACSHA256ETM},
		Compress: []string{"none"}, Decompress: []string{"none"},
	})
}

// exchange exchanges versions and keys.
func (c *Client) exchange() error {
	if _, err := io.WriteString(c.Conn, version+"\r\n"); err != nil {
		return err
	}
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	ours := KexInit()
	if err := c.Send(ours); err != nil {
		return err
	}
	theirs, err := c.Read()
	if err != nil {
		return err
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	public := key.PublicKey().Bytes()
	if err := c.Send(ssh.Marshal(struct {
		Key []byte `sshtype:"30"`
	}{public})); err != nil {
		return err
	}
	packet, err := c.Await(msgKexReply)
	if err != nil {
		return err
	}
	var reply struct {
		HostKey   []byte `sshtype:"31"`
		Key       []byte
		Signature []byte
	}
	if err := ssh.Unmarshal(packet, &reply); err != nil {
		return err
	}
	peer, err := ecdh.X25519().NewPublicKey(reply.Key)
	if err != nil {
		return err
	}
	shared, err := key.ECDH(peer)
	if err != nil {
		return err
	}
	secret := ssh.Marshal(struct{ K *big.Int }{new(big.Int).SetBytes(shared)})
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(version), bytes.TrimRight(line, "\r\n"), ours, theirs, reply.HostKey, public, reply.Key} {
		hash.Write(ssh.Marshal(struct{ Part []byte }{part}))
	}
	hash.Write(secret)
	c.session = hash.Sum(nil)
	if err := c.Send([]byte{msgNewKeys}); err != nil {
		return err
	}
	if _, err := c.Await(msgNewKeys); err != nil {
		return err
	}
	derive := func(letter byte) []byte {
		h := sha256.New()
		h.Write(secret)
		h.Write(c.session)
		h.Write([]byte{letter})
		h.Write(c.session)
		return h.Sum(nil)
	}
	c.seal, err = newGCM(derive('C'), derive('A'))
	if err == nil {
		c.open, err = newGCM(derive('D'), derive('B'))
	}
	return err
}

// Login logs in with a key.
func (c *Client) Login(t testing.TB, user string, key ssh.Signer) {
	t.Helper()
	if err := c.Send(Service("ssh-userauth"), c.LoginRequest(t, user, key)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Await(MsgAuthSuccess); err != nil {
		t.Fatalf("login: %v", err)
	}
}

// LoginRequest is a request to log in with a key, with the key's signature.
func (c *Client) LoginRequest(t testing.TB, user string, key ssh.Signer) []byte {
	t.Helper()
	request := ssh.Marshal(struct {
		User      string `sshtype:"50"`
		Service   string
		Method    string
		Sign      bool
		Algorithm string
		Key       []byte
	}{user, "ssh-connection", "publickey", true, key.PublicKey().Type(), key.PublicKey().Marshal()})
	signed := ssh.Marshal(struct {
		Session []byte
		Rest    []byte `ssh:"rest"`
	}{c.session, request})
	signature, err := key.Sign(rand.Reader, signed)
	if err != nil {
		t.Fatal(err)
	}
	return append(request, ssh.Marshal(struct{ Signature []byte }{ssh.Marshal(signature)})...)
}

// Service is a request for a service.
func Service(name string) []byte {
	return ssh.Marshal(struct {
		Name string `sshtype:"5"`
	}{name})
}

// Send sends packets with these payloads in one write.
func (c *Client) Send(payloads ...[]byte) error {
	var all []byte
	for _, payload := range payloads {
		all = append(all, c.packet(payload)...)
	}
	_, err := c.Conn.Write(all)
	return err
}

// packet returns a packet as sent: RFC 4253, section 6, and RFC 5647, section 7.3.
func (c *Client) packet(payload []byte) []byte {
	covered := 5
	if c.seal != nil {
		covered = 1 // The length is not encrypted.
	}
	padding := 16 - (covered+len(payload))%16
	if padding < 4 {
		padding += 16
	}
	length := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	plain := append([]byte{byte(padding)}, payload...)
	plain = append(plain, make([]byte, padding)...)
	if c.seal != nil {
		plain = c.seal.Seal(nil, c.seal.next(), plain, length)
	}
	return append(length, plain...)
}

// Read returns the payload of the next packet.
func (c *Client) Read() ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(c.in, length); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(length))
	if c.open != nil {
		size += c.open.Overhead()
	}
	packet := make([]byte, size)
	if _, err := io.ReadFull(c.in, packet); err != nil {
		return nil, err
	}
	if c.open != nil {
		var err error
		if packet, err = c.open.Open(nil, c.open.next(), packet, length); err != nil {
			return nil, err
		}
	}
	return packet[1 : len(packet)-int(packet[0])], nil
}

// Await returns the next packet with a message of that number, and skips all others.
func (c *Client) Await(number byte) ([]byte, error) {
	for {
		packet, err := c.Read()
		if err != nil {
			return nil, fmt.Errorf("waiting for message %d: %w", number, err)
		}
		if len(packet) > 0 && packet[0] == number {
			return packet, nil
		}
	}
}

// gcm is AES-GCM with the nonces of one direction.
type gcm struct {
	cipher.AEAD

	nonce []byte
}

func newGCM(key, nonce []byte) (*gcm, error) {
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &gcm{aead, nonce[:12]}, err
}

// next returns the nonce of the next packet.
func (g *gcm) next() []byte {
	nonce := bytes.Clone(g.nonce)
	counter := g.nonce[4:]
	binary.BigEndian.PutUint64(counter, binary.BigEndian.Uint64(counter)+1)
	return nonce
}
