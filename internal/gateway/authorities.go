package gateway

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"time"

	"devserver.io/devserver/internal/sshkeys"
)

// authorities are the trusted OpenSSH user certificate authorities, in wire format.
type authorities map[string]bool

// readAuthorities reads the public keys of authorities from a file with one key per
// line, like TrustedUserCAKeys of sshd_config(5).
func readAuthorities(file string) (authorities, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the user certificate authorities: %w", err)
	}
	trusted := authorities{}
	for n, line := range bytes.Split(content, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, _, err := sshkeys.ParseAuthorized(string(line))
		if err != nil {
			return nil, fmt.Errorf("reading the user certificate authorities: line %d of %s: %w", n+1, file, err)
		}
		trusted[string(key.Marshal())] = true
	}
	return trusted, nil
}

// authoritiesInterval is how often the file is read. The kubelet takes a minute or
// two to update it.
const authoritiesInterval = 5 * time.Second

// followAuthorities reads the file at each tick, until ctx ends. An error changes
// nothing, and is logged once.
func (s *server) followAuthorities(ctx context.Context, file string, ticks <-chan time.Time) {
	var logged string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		trusted, err := readAuthorities(file)
		switch {
		case err == nil:
			logged = ""
			s.trust(trusted)
		case err.Error() != logged:
			logged = err.Error()
			s.log.Error("user certificate authorities not read: those of before stay trusted", "error", err)
		}
	}
}

// trust replaces the trusted authorities, and disconnects the clients whose
// authority is no longer trusted.
func (s *server) trust(trusted authorities) {
	if maps.Equal(trusted, *s.authorities.Load()) {
		return
	}
	s.authorities.Store(&trusted)
	s.log.Info("user certificate authorities read", "authorities", len(trusted))
	for _, c := range s.all() {
		if !s.isTrusted(c.who) {
			c.cutAll(errRevoked)
			_ = c.conn.Close()
		}
	}
}

// isTrusted tells whether the authority that signed the client's certificate is
// trusted; true for a client without a certificate.
func (s *server) isTrusted(who identity) bool {
	return who.authority == "" || (*s.authorities.Load())[who.authority]
}
