package control

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"devserver.io/devserver/internal/box"
)

// clientTimeout is for one whole call: an agent that does not answer at once
// is gone, or its node is.
const clientTimeout = 3 * time.Second

// Client is the operator's side of one box's endpoint.
type Client struct {
	address string
	token   string
	http    *http.Client
}

// NewClient returns a client of the agent at an address, host:port. Only the
// agent with the control key, of which keyPEM is the private half, is spoken to.
func NewClient(address string, keyPEM []byte, token string) (*Client, error) {
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("the control key is %w", err)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the control key has no ed25519 public key")
	}
	return &Client{
		address: address,
		token:   token,
		http: &http.Client{
			Timeout: clientTimeout,
			Transport: &http.Transport{
				// One call at a time is made, and far between.
				DisableKeepAlives: true,
				TLSClientConfig: &tls.Config{
					MinVersion: tls.VersionTLS13,
					// In place of names and dates, which mean nothing here, the key is
					// compared.
					InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies.
					VerifyConnection:   pinned(public),
				},
			},
		},
	}, nil
}

// pinned refuses every server but the one with the key.
func pinned(key ed25519.PublicKey) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		// TLS 1.3 proves the key of the first certificate, and there is one.
		if got, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey); ok && got.Equal(key) {
			return nil
		}
		return errors.New("who answers there is not this box's agent")
	}
}

// SetAuthorizedKeys tells the agent the keys that may log in from now on. When
// it returns nil, connections of other keys are being cut.
func (c *Client) SetAuthorizedKeys(ctx context.Context, text []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://"+c.address+box.AuthorizedKeysPath, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("telling the agent at %s its keys: %w", c.address, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("telling the agent at %s its keys: %w", c.address, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		const enough = 256
		why, _ := io.ReadAll(io.LimitReader(response.Body, enough)) // The status says enough.
		return fmt.Errorf("telling the agent at %s its keys: it answers %s: %s", c.address, response.Status, strings.TrimSpace(string(why)))
	}
	return nil
}
