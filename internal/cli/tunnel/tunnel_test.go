package tunnel

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"devserver.io/devserver/internal/testing/kubelet"
	"devserver.io/devserver/internal/testing/port"
)

// echo answers once nothing more comes: it needs to be told so.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				text, _ := io.ReadAll(conn)
				_, _ = conn.Write(text)
			}()
		}
	}()
	return listener.Addr().String()
}

// configOf is for a kubelet in the place of an API server that knows no
// WebSockets.
func configOf(k *kubelet.Kubelet) *rest.Config {
	return &rest.Config{Host: k.Server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
}

func TestEachDirectionEndsByItself(t *testing.T) {
	k := kubelet.New(t, echo(t))
	conn, err := Dial(t.Context(), configOf(k), "team", "bot-0", 2222)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := make([]byte, 3<<20)
	_, _ = rand.Read(sent) // never fails
	if _, err := io.Copy(conn, bytes.NewReader(sent)); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, and %v", len(got), len(sent), err)
	}
}

func TestTheNodesWordsArriveAsAnError(t *testing.T) {
	k := kubelet.New(t, port.Refusing(t))
	conn, err := Dial(t.Context(), configOf(k), "team", "bot-0", 2222)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); err == nil || !strings.Contains(err.Error(), "the port does not answer") {
		t.Errorf("got %q and %v, want the node's words", got, err)
	}
}

func TestABreakIsNoEnd(t *testing.T) {
	k := kubelet.New(t, echo(t))
	conn, err := Dial(t.Context(), configOf(k), "team", "bot-0", 2222)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-k.Opened
	k.Cut()
	if got, err := io.ReadAll(conn); !errors.Is(err, ErrLost) {
		t.Errorf("got %q and %v, want that the connection broke off", got, err)
	}
}
