package control

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
)

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// received has, by the name of a test, what its endpoint received last.
var received sync.Map

// serve starts an endpoint and returns its address.
func serve(t testing.TB, check func(context.Context) error) string {
	t.Helper()
	received.Delete(t.Name()) // what an earlier run of the same test has left
	return serveServer(t, &Server{
		Key: key, Check: check,
		Token: token, SetAuthorizedKeys: func(text []byte) { received.Store(t.Name(), string(text)) },
		Poll: func(i agentapi.Instructions) agentapi.Report {
			received.Store(t.Name(), i)
			return report
		},
		Drain: func(_ context.Context, d agentapi.Drain) (bool, agentapi.Report) {
			received.Store(t.Name(), d)
			return d.IdleSeconds < 60, report
		},
	})
}

func serveServer(t testing.TB, server *Server) string {
	t.Helper()
	server.Logger = slog.New(slog.DiscardHandler)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return listener.Addr().String()
}

const token = "the operator's token"

// report is what every agent of these tests reports.
var report = agentapi.Report{
	Version: "v1", UpSeconds: 120, Sessions: 2, OOMKills: 1, SecretHash: "abc",
	Signals: []agentapi.Signal{
		{Name: agentapi.SignalTerminal, IdleSeconds: 60, Value: "key 1m ago, output 1m ago"},
		{Name: agentapi.SignalCPU, IdleSeconds: -1, Value: "CPU 1%"},
	},
	Home: &agentapi.Room{SizeBytes: 10 << 30, FreeBytes: 1 << 30, Files: 1000, FreeFiles: 900},
}

// operator is a client of an endpoint: the operator's own, and, for requests that
// the operator does not send, one for plain HTTP.
type operator struct {
	*agentclient.Client
	http *http.Client
}

// client returns a client of the agent that has the key.
func client(t testing.TB, address string, key ed25519.PrivateKey, token string) operator {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := agentclient.New(agentclient.Address{
		HostPort: address,
		KeyPEM:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		Token:    token,
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	return operator{c, &http.Client{Transport: transport}}
}

func get(t *testing.T, client *http.Client, method, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestEndpoint(t *testing.T) {
	address := serve(t, func(context.Context) error { return nil })
	client := client(t, address, key, "").http
	tests := []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"POST", "/healthz", 405, "Method Not Allowed\n"},
		{"GET", "/", 404, "404 page not found\n"},
		{"GET", "/healthz/more", 404, "404 page not found\n"},
	}
	for _, test := range tests {
		if code, body := get(t, client, test.method, "https://"+address+test.path); code != test.code || body != test.body {
			t.Errorf("%s %s: %d %q", test.method, test.path, code, body)
		}
	}
}

// TestStoppingEndpointAnswers stops the endpoint while it answers a request.
func TestStoppingEndpointAnswers(t *testing.T) {
	asked, gate := make(chan struct{}), make(chan struct{})
	server := &Server{Key: key, Logger: slog.New(slog.DiscardHandler), Check: func(context.Context) error {
		close(asked)
		<-gate
		return nil
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Closing the listener is how the endpoint begins to stop.
	closed := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, noticing{listener, sync.OnceFunc(func() { close(closed) })}) }()
	code := make(chan int, 1)
	go func() {
		response, err := client(t, listener.Addr().String(), key, "").http.Get("https://" + listener.Addr().String() + "/healthz")
		if err != nil {
			t.Errorf("the request was not answered: %v", err)
			code <- 0
			return
		}
		response.Body.Close()
		code <- response.StatusCode
	}()
	<-asked
	stop()
	<-closed
	close(gate)
	if got := <-code; got != http.StatusOK {
		t.Errorf("the request was answered with %d, want %d", got, http.StatusOK)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// noticing is a listener that reports when it is closed.
type noticing struct {
	net.Listener
	closed func()
}

func (n noticing) Close() error {
	defer n.closed()
	return n.Listener.Close()
}

func TestCheckHasADeadline(t *testing.T) {
	address := serve(t, func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			return errors.New("no deadline")
		}
		return nil
	})
	if code, body := get(t, client(t, address, key, "").http, "GET", "https://"+address+"/healthz"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}

func TestAuthorizedKeys(t *testing.T) {
	address := serve(t, nil)
	const keys = "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n"
	for name, other := range map[string]struct {
		token string
		key   ed25519.PrivateKey
		want  string
	}{
		"no token":      {"", key, "401"},
		"another token": {token + "x", key, "401"},
		"another agent": {token, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), "does not have the control key"},
	} {
		err := client(t, address, other.key, other.token).SetAuthorizedKeys(t.Context(), []byte(keys))
		if err == nil || !strings.Contains(err.Error(), other.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, other.want)
		}
	}
	if got, ok := received.Load(t.Name()); ok {
		t.Fatalf("a client without the operator's token set the keys %q", got)
	}
	if err := client(t, address, key, token).SetAuthorizedKeys(t.Context(), []byte(keys)); err != nil {
		t.Fatal(err)
	}
	if got, _ := received.Load(t.Name()); got != keys {
		t.Errorf("the agent received %q, want %q", got, keys)
	}
	tooLong := bytes.Repeat([]byte("#"), 1<<20+1)
	if err := client(t, address, key, token).SetAuthorizedKeys(t.Context(), tooLong); err == nil {
		t.Error("the agent accepted more keys than fit a Secret")
	}
}

func TestEndpointWithoutTokenRefusesEveryToken(t *testing.T) {
	handler := (&Server{}).handler()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/authorized-keys", strings.NewReader(""))
	request.Header.Set("Authorization", "Bearer ")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusUnauthorized {
		t.Errorf("got %d", answer.Code)
	}
}

func TestPlainHTTPIsRefused(t *testing.T) {
	address := serve(t, func(context.Context) error { return nil })
	response, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered with %s, want status 400", response.Status)
	}
}

func TestCertificateIsTheSameForTheSameKey(t *testing.T) {
	first, err := selfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := selfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("two certificates of one key differ")
	}
	parsed, err := x509.ParseCertificate(first.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature); err != nil {
		t.Error(err)
	}
}

func TestReadKey(t *testing.T) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	good := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	tests := map[string]struct{ text, want string }{
		"good":        {good, ""},
		"not PEM":     {"hello", "is not PEM"},
		"empty":       {"", "is not PEM"},
		"not PKCS #8": {"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n", "PKCS #8"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			read, err := ReadKey(path)
			switch {
			case test.want == "" && (err != nil || !read.Equal(key)):
				t.Errorf("got another key, or error %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("got error %v, want one with %q and %s", err, test.want, path)
			}
		})
	}
	made, err := ReadKey(filepath.Join(t.TempDir(), "missing"))
	if err != nil || len(made) != ed25519.PrivateKeySize {
		t.Errorf("without a file: %v", err)
	}
}
