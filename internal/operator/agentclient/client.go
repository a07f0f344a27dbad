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
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/printable"
)

// An agent may be controlled by the users of its server, so everything about its answer
// has a limit.
const (
	// clientTimeout bounds one whole call: an agent that does not answer at once has
	// stopped, or its node has.
	clientTimeout = 3 * time.Second
	// maxHeaderBytes bounds the header of an answer. Those of agents have about 150
	// bytes.
	maxHeaderBytes = 8 << 10
	// maxCause bounds what an error says about an answer, in characters.
	maxCause = 256
)

// Client calls the control endpoint of one agent. It makes one call at a time, each with
// a connection of its own; concurrent calls wait for each other.
type Client struct {
	address string
	token   string
	http    *http.Client
}

// New returns a client of the agent at an address. It talks to no server but the
// agent with the control key.
func New(a Address) (*Client, error) {
	if _, err := netip.ParseAddrPort(a.HostPort); err != nil {
		return nil, fmt.Errorf("the agent's address is not an IP address with a port: %w", err)
	}
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
			Timeout:   clientTimeout,
			Transport: &agentOnly{address: a.HostPort, Transport: transport(public)},
			// A redirect would make the operator send a request elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// transport returns a transport that talks only to the server with the key.
func transport(key ed25519.PublicKey) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: dial,
		// Calls are a minute apart, or more. With thousands of servers, idle
		// connections cost more memory than new ones cost CPU time, and resuming
		// TLS sessions saves next to nothing: BenchmarkPoll.
		DisableKeepAlives: true,
		// Otherwise a small answer could become a large one.
		DisableCompression:     true,
		MaxConnsPerHost:        1,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              protocols,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			// The key is compared instead of names and dates.
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies.
			VerifyConnection:   pinned(key),
		},
	}
}

// dial opens a connection for one call. The connection has a deadline of its own, because
// http.Transport continues a TLS handshake after the call has timed out. Without the
// deadline, each call to a server that accepts connections and never answers would leave a
// connection open for as long as the server wants.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	deadline := time.Now().Add(clientTimeout)
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(deadline)
}

// agentOnly refuses requests to any address but the agent's, and those without TLS.
type agentOnly struct {
	*http.Transport

	address string
}

func (a *agentOnly) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" || request.URL.Host != a.address {
		return nil, fmt.Errorf("a request to %s://%s is refused: the agent is at https://%s", request.URL.Scheme, request.URL.Host, a.address)
	}
	return a.Transport.RoundTrip(request)
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
		return 0, unanswered(err)
	}
	defer response.Body.Close()
	report, ok := expected[response.StatusCode]
	if !ok {
		return 0, refused(response)
	}
	if report != nil {
		if *report, err = agentapi.ReadReport(response.Body); err != nil {
			return 0, errors.New(printable.Line(err.Error(), maxCause))
		}
	}
	return response.StatusCode, nil
}

// unanswered is the error of a call without a valid answer. Its text may have parts of
// what came instead, so it is cut and made printable.
func unanswered(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // The callers add the address.
	}
	return errors.New(printable.Line(err.Error(), maxCause))
}

// refused is the error of an answer with an unexpected status.
func refused(response *http.Response) error {
	if response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusMethodNotAllowed {
		return agentapi.ErrUnsupported
	}
	why, _ := io.ReadAll(io.LimitReader(response.Body, maxCause)) // The status says enough.
	return fmt.Errorf("it answers %d: %s", response.StatusCode, printable.Line(strings.TrimSpace(string(why)), maxCause))
}
