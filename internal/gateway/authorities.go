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

// authorities are the OpenSSH user certificate authorities that count, by
// their wire format.
type authorities map[string]bool

// readAuthorities reads the public keys of authorities from a file with a line
// for each, as TrustedUserCAKeys of sshd_config(5).
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

// authoritiesInterval is how often their file is read: a kubelet takes up to a
// minute or two to bring a changed one.
const authoritiesInterval = 5 * time.Second

// followAuthorities reads the file again and again, until ctx ends. A file that
// cannot be used changes nothing, and is said once.
func (s *server) followAuthorities(ctx context.Context, file string, ticks <-chan time.Time) {
	var said string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		trusted, err := readAuthorities(file)
		switch {
		case err == nil:
			said = ""
			s.trust(trusted)
		case err.Error() != said:
			said = err.Error()
			s.log.Error("the user certificate authorities stay as they were", "error", err)
		}
	}
}

// trust has these authorities count from now on, and cuts off whom another one
// let in.
func (s *server) trust(trusted authorities) {
	if maps.Equal(trusted, *s.authorities.Load()) {
		return
	}
	s.authorities.Store(&trusted)
	s.log.Info("user certificate authorities read", "authorities", len(trusted))
	for _, c := range s.all() {
		if !s.vouched(c.who) {
			c.cutAll(errRevoked)
			_ = c.conn.Close()
		}
	}
}

// vouched tells whether the authority still counts that says who this is, if it
// is one.
func (s *server) vouched(who identity) bool {
	return who.authority == "" || (*s.authorities.Load())[who.authority]
}
