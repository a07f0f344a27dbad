package agentclient

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"devserver.io/devserver/internal/agentapi"
)

var agentKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// addressOf is the address of an agent with agentKey.
func addressOf(t testing.TB, hostPort string) Address {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(agentKey)
	if err != nil {
		t.Fatal(err)
	}
	return Address{HostPort: hostPort, KeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), Token: "token"}
}

func clientOf(t testing.TB, hostPort string) *Client {
	t.Helper()
	c, err := New(addressOf(t, hostPort))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certificate is that of an agent with agentKey.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, agentKey.Public(), agentKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: agentKey}
}

// hostile starts an agent whose users control it: it has the key of the real one, and
// answers with the handler. It returns a client.
func hostile(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return clientOf(t, s.Listener.Addr().String())
}

// calls are all calls of a client.
var calls = map[string]func(context.Context, *Client) error{
	"keys": func(ctx context.Context, c *Client) error {
		return c.SetAuthorizedKeys(ctx, []byte("ssh-ed25519 AAAA\n"))
	},
	"poll": func(ctx context.Context, c *Client) error {
		_, err := c.Poll(ctx, agentapi.Instructions{})
		return err
	},
	"drain": func(ctx context.Context, c *Client) error {
		_, _, err := c.Drain(ctx, agentapi.Drain{IdleSeconds: 1})
		return err
	},
}

// An agent cannot make the operator send a request to another server, with TLS or
// without: that server would be asked from the operator's address, and get its token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var asked atomic.Int64
	elsewhere := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	plain := httptest.NewServer(elsewhere)
	defer plain.Close()
	secure := httptest.NewTLSServer(elsewhere)
	defer secure.Close()
	for name, call := range calls {
		for _, code := range []int{302, 307, 308} {
			for _, target := range []string{plain.URL, secure.URL, "/elsewhere"} {
				var redirected atomic.Int64
				c := hostile(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/elsewhere" {
						redirected.Add(1)
					}
					w.Header().Set("Location", target)
					w.WriteHeader(code)
				})
				if err := call(t.Context(), c); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("it answers %d", code)) {
					t.Errorf("%s, %d to %s: the error is %v", name, code, target, err)
				}
				if redirected.Load() > 0 {
					t.Errorf("%s, %d: the redirect to the agent itself was followed", name, code)
				}
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("another server got %d requests", n)
	}
}

// The client sends no request without TLS, and none to another address.
func TestOnlyTheAgentIsAsked(t *testing.T) {
	var asked atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer plain.Close()
	c := clientOf(t, plain.Listener.Addr().String())
	for _, url := range []string{plain.URL, "https://localhost:1/", "ftp://" + plain.Listener.Addr().String()} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.http.Do(request)
		if err == nil {
			response.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is refused: the agent is at https://") {
			t.Errorf("%s: the error is %v", url, err)
		}
	}
	if asked.Load() > 0 {
		t.Error("the client sent a request without TLS")
	}
	for _, address := range []string{"", "agent.example.com:2223", "localhost:2223", "127.0.0.1", "127.0.0.1:2223/path", "user@127.0.0.1:2223"} {
		if _, err := New(addressOf(t, address)); err == nil {
			t.Errorf("the address %q is accepted", address)
		}
	}
}

// counting counts the bytes that a handler could write.
type counting struct {
	io.Writer

	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// flood sends a start and then the same text until the client has closed the connection,
// and returns how much it could send.
func flood(w http.ResponseWriter, start, text string) int64 {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return 0
	}
	defer conn.Close()
	out := &counting{Writer: conn}
	text = strings.Repeat(text, 1+(4<<10)/len(text))
	for _, err = io.WriteString(out, start); err == nil; _, err = io.WriteString(out, text) {
	}
	return out.n
}

// The client reads at most some KiB of an answer, whatever an agent sends.
func TestEndlessAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, answer := range map[string]struct{ start, more, want string }{
		"headers":           {ok, "A: b\r\n", "server response headers exceeded 8192 bytes"},
		"one header":        {ok + "A: ", "b", "server response headers exceeded 8192 bytes"},
		"status":            {"HTTP/1.1 200 ", "O", "server response headers exceeded 8192 bytes"},
		"status of refusal": {"HTTP/1.1 500 ", "O", "server response headers exceeded 8192 bytes"},
		"interim answers":   {"", "HTTP/1.1 103 Early Hints\r\nLink: <" + strings.Repeat("a", 1000) + ">\r\n\r\n", "server response headers exceeded 8192 bytes"},
		"report":            {ok + "\r\n{\"version\":\"", "a", "the agent's report is longer than 65536 bytes"},
		"blank report":      {ok + "\r\n", " ", "the agent's report is longer than 65536 bytes"},
		"chunked report":    {ok + "Transfer-Encoding: chunked\r\n\r\n", "4\r\n    \r\n", "the agent's report is longer than 65536 bytes"},
		"refusal":           {"HTTP/1.1 500 No\r\n\r\n", "a", "it answers 500: aaa"},
		"signals":           {ok + "\r\n{\"signals\":[{}", ",{}", "the agent's report is longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan int64, 1)
			c := hostile(t, func(w http.ResponseWriter, _ *http.Request) { sent <- flood(w, answer.start, answer.more) })
			_, err := c.Poll(t.Context(), agentapi.Instructions{})
			if err == nil || !strings.Contains(err.Error(), answer.want) {
				t.Errorf("the error is %v, want …%s…", err, answer.want)
			}
			if err != nil && len(err.Error()) > 2*maxCause {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			// The kernel's buffers of the connection hold some of it.
			if n := <-sent; n > 16<<20 {
				t.Errorf("the agent could send %d bytes", n)
			}
		})
	}
}

// Compressed, 64 KiB would be gigabytes.
func TestNoCompressionIsAccepted(t *testing.T) {
	c := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("the client accepts the encodings %q", got)
		}
		fmt.Fprint(w, "{}")
	})
	if _, err := c.Poll(t.Context(), agentapi.Instructions{}); err != nil {
		t.Error(err)
	}
}

// What an agent sends appears in errors, which are logged, as one short printable line.
func TestErrorsArePrintable(t *testing.T) {
	for name, answer := range map[string]string{
		"body":        "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x1b[31m\nred",
		"status":      "HTTP/1.1 500 \x1b[31m\r\nContent-Length: 3\r\n\r\nred",
		"no HTTP":     "\x1b[31mred\r\n\r\n",
		"long line":   strings.Repeat("x", 4000) + "\r\n\r\n",
		"long number": "HTTP/1.1 200 OK\r\n\r\n{\"sessions\":" + strings.Repeat("1", 4000) + "}",
		"header":      "HTTP/1.1 200 OK\r\n\x1b[31mred\r\n\r\n",
		"report":      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"\x1b[31m\":",
		"report text": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"upSeconds\":\"\x1b[1m\"}",
	} {
		c := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, answer)
		})
		_, err := c.Poll(t.Context(), agentapi.Instructions{})
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\n\r") || len(err.Error()) > 2*maxCause {
			t.Errorf("%s: the error is %q", name, err)
		}
	}
}

// conns counts the open connections of a client.
type conns struct {
	mu         sync.Mutex
	open, most int
}

func (c *conns) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
	c.most = max(c.most, c.open)
}

type countedConn struct {
	net.Conn

	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// All calls to a server together have one connection at a time.
func TestOneConnectionPerServer(t *testing.T) {
	const callers = 8
	var begun sync.WaitGroup
	begun.Add(callers)
	c := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		begun.Wait() // No call is answered before all have begun.
		fmt.Fprint(w, "{}")
	})
	var counted conns
	transport := c.http.Transport.(*agentOnly).Transport
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		counted.add(1)
		return &countedConn{conn, sync.OnceFunc(func() { counted.add(-1) })}, nil
	}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) { begun.Done() }})
	var done sync.WaitGroup
	for range callers {
		done.Go(func() {
			if _, err := c.Poll(ctx, agentapi.Instructions{}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	counted.mu.Lock()
	defer counted.mu.Unlock()
	// The next connection may be opened in the moment in which the last one is closed.
	if counted.most > 2 {
		t.Errorf("the client had %d connections at a time", counted.most)
	}
}

// A server that accepts connections and says nothing, at any stage, is given up, and its
// connection is closed.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	for name, silent := range map[string]func(t *testing.T, conn net.Conn) io.Reader{
		"before TLS": func(_ *testing.T, conn net.Conn) io.Reader { return conn },
		"before the answer": func(t *testing.T, conn net.Conn) io.Reader {
			t.Helper()
			return tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
		},
		"in the answer": func(t *testing.T, conn net.Conn) io.Reader {
			t.Helper()
			secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
			_, _ = io.WriteString(secure, "HTTP/1.1 200 OK\r\n\r\n{")
			return secure
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			ended := make(chan error, 1)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					ended <- err
					return
				}
				defer conn.Close()
				// This ends when the client closes the connection.
				_, err = io.Copy(io.Discard, silent(t, conn))
				ended <- err
			}()
			if _, err := clientOf(t, listener.Addr().String()).Poll(context.WithoutCancel(t.Context()), agentapi.Instructions{}); err == nil {
				t.Error("a silent server answers")
			}
			t.Log("the server:", <-ended)
		})
	}
}

// A server without a real agent gets no request at all.
func TestAnotherKey(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	for name, call := range calls {
		err := call(t.Context(), clientOf(t, s.Listener.Addr().String()))
		if err == nil || !strings.Contains(err.Error(), "does not have the control key") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	if asked.Load() > 0 {
		t.Error("another server got a request")
	}
}

func TestUnsupportedIsRecognized(t *testing.T) {
	c := hostile(t, http.NotFound)
	for name, call := range calls {
		if err := call(t.Context(), c); !errors.Is(err, agentapi.ErrUnsupported) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}
