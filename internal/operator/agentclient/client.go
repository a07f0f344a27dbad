package agentclient

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"devserver.io/devserver/internal/agentapi"
)

// clientTimeout bounds one whole call: an agent that does not answer at once has
// stopped, or its node has.
const clientTimeout = 3 * time.Second

// maxMessage bounds a report, in bytes.
const maxMessage = 64 << 10

// Client calls the control endpoint of one agent.
type Client struct {
	address string
	token   string
	http    *http.Client
}

// New returns a client of the agent at an address. It talks to no server but the
// agent with the control key.
func New(a Address) (*Client, error) {
	key, err := agentapi.ParseControlKey([]byte(a.KeyPEM))
	if err != nil {
		return nil, fmt.Errorf("the control key is %w", err)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the control key has no ed25519 public key")
	}
	return &Client{
		address: a.HostPort,
		token:   a.Token,
		http: &http.Client{
			Timeout: clientTimeout,
			Transport: &http.Transport{
				// Calls are a minute apart, or more. With thousands of servers, idle
				// connections cost more memory than new ones cost CPU time, and resuming
				// TLS sessions saves next to nothing: BenchmarkPoll.
				DisableKeepAlives: true,
				TLSClientConfig: &tls.Config{
					MinVersion: tls.VersionTLS13,
					// The key is compared instead of names and dates.
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
		return errors.New("another program answers there: it does not have the control key of this server's agent")
	}
}

// SetAuthorizedKeys gives the agent the keys that may log in from now on. When it
// returns nil, connections of other keys are being closed.
func (c *Client) SetAuthorizedKeys(ctx context.Context, text []byte) error {
	if _, err := c.call(ctx, http.MethodPut, agentapi.AuthorizedKeysPath, text, answers{http.StatusNoContent: nil}); err != nil {
		return fmt.Errorf("pushing the keys to the agent at %s: %w", c.address, err)
	}
	return nil
}

// Poll gives the agent its instructions, and returns its report. The error of an
// agent that is too old is agentapi.ErrUnsupported.
func (c *Client) Poll(ctx context.Context, instructions agentapi.Instructions) (agentapi.Report, error) {
	var report agentapi.Report
	body, err := json.Marshal(instructions)
	if err == nil {
		_, err = c.call(ctx, http.MethodPost, agentapi.PollPath, body, answers{http.StatusOK: &report})
	}
	if err != nil {
		return agentapi.Report{}, fmt.Errorf("polling the agent at %s: %w", c.address, err)
	}
	return report, nil
}

// Drain asks the agent to refuse new sessions if its server has been idle. If it
// has not, the report says why. The error of an agent that is too old is
// agentapi.ErrUnsupported.
func (c *Client) Drain(ctx context.Context, drain agentapi.Drain) (drained bool, report agentapi.Report, err error) {
	var code int
	body, err := json.Marshal(drain)
	if err == nil {
		code, err = c.call(ctx, http.MethodPost, agentapi.DrainPath, body, answers{http.StatusNoContent: nil, http.StatusConflict: &report})
	}
	if err != nil {
		return false, agentapi.Report{}, fmt.Errorf("draining the agent at %s: %w", c.address, err)
	}
	return code == http.StatusNoContent, report, nil
}

// answers are the status codes that a call expects, with where to put the report of each;
// nil for one that has none.
type answers map[int]*agentapi.Report

// call makes one call, and returns the status code of the answer.
func (c *Client) call(ctx context.Context, method, path string, body []byte, expected answers) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+c.address+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	report, ok := expected[response.StatusCode]
	if !ok {
		return 0, refused(response)
	}
	if report != nil {
		if err := json.NewDecoder(io.LimitReader(response.Body, maxMessage)).Decode(report); err != nil {
			return 0, fmt.Errorf("its report cannot be read: %w", err)
		}
	}
	return response.StatusCode, nil
}

// refused is the error of an answer with an unexpected status.
func refused(response *http.Response) error {
	if response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusMethodNotAllowed {
		return agentapi.ErrUnsupported
	}
	const enough = 256
	why, _ := io.ReadAll(io.LimitReader(response.Body, enough)) // The status says enough.
	return fmt.Errorf("it answers %s: %s", response.Status, strings.TrimSpace(string(why)))
}
