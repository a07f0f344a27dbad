package sshkeys

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
)

// openSSHKey returns the ed25519 key with a seed, unencrypted in OpenSSH's format, as
// PROTOCOL.key describes it, and its public half. ssh.MarshalPrivateKey uses
// random check integers, so its output differs on each call and the Secret would change
// each time. The check integers only serve to detect a wrong passphrase. There is no
// passphrase here, so they can be derived from the public key.
func openSSHKey(seed []byte) (file []byte, public ssh.PublicKey, err error) {
	key := ed25519.NewKeyFromSeed(seed)
	public, err = ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
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
	body := ssh.Marshal(struct {
		Cipher, KDF, KDFOptions string
		Keys                    uint32
		Public                  []byte
		Private                 []byte
	}{"none", "none", "", 1, public.Marshal(), private})
	return pem.EncodeToMemory(&pem.Block{
		Type:  "OPENSSH PRIVATE KEY",
		Bytes: append([]byte("openssh-key-v1\x00"), body...),
	}), public, nil
}
