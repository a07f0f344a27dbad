// Package sshpolicy is what every SSH server of DevServer has in common: the
// algorithms that it agrees to, how many strangers it deals with at once and
// for how long, and how it finds out that a client is gone.
package sshpolicy

import (
	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/version"
)

// ServerConfig returns a configuration without host keys and callbacks.
//
// The ciphers are AES-GCM only. ChaCha20-Poly1305 is an AEAD too, but safe
// from prefix truncation (CVE-2023-48795) only if the client has strict key
// exchange, which a server cannot demand in advance; AES-GCM is safe either
// way. Strict key exchange is used with every client that has it. OpenSSH has
// had AES-GCM since 6.2.
func ServerConfig() *ssh.ServerConfig {
	return &ssh.ServerConfig{
		Config: ssh.Config{
			KeyExchanges: []string{
				ssh.KeyExchangeMLKEM768X25519,
				ssh.KeyExchangeCurve25519,
				ssh.KeyExchangeECDHP256,
				ssh.KeyExchangeECDHP384,
				ssh.KeyExchangeECDHP521,
			},
			Ciphers: []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM},
			// An AEAD cipher needs no MAC. The list is sent all the same, and
			// the library's own has SHA-1 in it.
			MACs: []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
		},
		PublicKeyAuthAlgorithms: []string{
			ssh.KeyAlgoED25519,
			ssh.KeyAlgoSKED25519,
			ssh.KeyAlgoSKECDSA256,
			ssh.KeyAlgoECDSA256,
			ssh.KeyAlgoECDSA384,
			ssh.KeyAlgoECDSA521,
			ssh.KeyAlgoRSASHA512,
			ssh.KeyAlgoRSASHA256,
		},
		// An agent may hold many keys, and the right one may be the last; a
		// key that was only offered costs no signature check.
		MaxAuthTries:  20,
		ServerVersion: "SSH-2.0-DevServer_" + versionWord(version.Version),
	}
}

// versionWord makes v fit to stand in a version string, where spaces and "-"
// end a field (RFC 4253, section 4.2).
func versionWord(v string) string {
	word := []byte(v)
	for i, c := range word {
		if c <= ' ' || c > '~' || c == '-' {
			word[i] = '_'
		}
	}
	return string(word)
}
