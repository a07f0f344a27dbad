package sshkeys

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
)

// marshalOpenSSH writes an unencrypted private key in OpenSSH's format, as
// PROTOCOL.key describes it. ssh.MarshalPrivateKey does the same with random
// check integers, so that each call gives other bytes, and a Secret that is
// computed anew would look changed each time. The check integers only tell a
// wrong passphrase from a right one, and there is none: here they come from
// the public key.
func marshalOpenSSH(key ed25519.PrivateKey, public ssh.PublicKey) []byte {
	sum := sha256.Sum256(public.Marshal())
	check := binary.BigEndian.Uint32(sum[:4])
	private := ssh.Marshal(struct {
		Check1, Check2 uint32
		Type           string
		Public         []byte
		Private        []byte
		Comment        string
	}{check, check, ssh.KeyAlgoED25519, key.Public().(ed25519.PublicKey), key, ""})
	const cipherBlock = 8 // of the cipher "none"
	for pad := byte(1); len(private)%cipherBlock != 0; pad++ {
		private = append(private, pad)
	}
	file := ssh.Marshal(struct {
		Cipher, KDF, KDFOptions string
		Keys                    uint32
		Public                  []byte
		Private                 []byte
	}{"none", "none", "", 1, public.Marshal(), private})
	return pem.EncodeToMemory(&pem.Block{
		Type:  "OPENSSH PRIVATE KEY",
		Bytes: append([]byte("openssh-key-v1\x00"), file...),
	})
}
