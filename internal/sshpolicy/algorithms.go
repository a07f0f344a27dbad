// Package sshpolicy has what the SSH servers of DevServer have in common: which
// algorithms they offer, how many connections may be logging in at once and for how long,
// how much users can take of the server, and how they detect that a client has
// disappeared.
package sshpolicy

import (
	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/version"
)

// ServerConfig returns a server configuration without host keys and callbacks.
//
// The ciphers are AES-GCM only. ChaCha20-Poly1305 is an AEAD too, but safe
// from prefix truncation (CVE-2023-48795) only if the client has strict key
// exchange, which a server cannot require in advance. AES-GCM is safe without it. Strict
// key exchange is used with every client that supports it. OpenSSH has supported AES-GCM
// since 6.2.
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
			// AEAD ciphers use no MAC, but the list is sent anyway, and the
			// library's default contains SHA-1.
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
		// An SSH agent may offer many keys before the right one. An offered key
		// costs no signature check.
		MaxAuthTries:  20,
		ServerVersion: "SSH-2.0-DevServer_" + versionWord(version.Version),
	}
}

// versionWord replaces the characters of v that an SSH version string must not contain:
// spaces and "-" end a field (RFC 4253, section 4.2).
func versionWord(v string) string {
	word := []byte(v)
	for i, c := range word {
		if c <= ' ' || c > '~' || c == '-' {
			word[i] = '_'
		}
	}
	return string(word)
}
