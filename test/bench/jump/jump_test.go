package jump

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "devserver.io/devserver/api/v1"
)

// Receive notices data that is lost, changed or sent twice.
func TestReceiveNoticesEveryByte(t *testing.T) {
	var sent bytes.Buffer
	const total = 300_000
	if err := send(&sent, total, 0); err != nil {
		t.Fatal(err)
	}
	whole := sent.Bytes()
	changed := bytes.Clone(whole)
	changed[200_000]++
	for name, tc := range map[string]struct {
		got   []byte
		right int
		fails bool
	}{
		"Whole":   {whole, total, false},
		"Short":   {whole[:total-1], total - 1, false},
		"Changed": {changed, 200_000 / 4096 * 4096, true},
		"Gap":     {append(bytes.Clone(whole[:4096]), whole[4096+100:]...), 4096, true},
		"Twice":   {append(bytes.Clone(whole[:8192]), whole[:8192]...), 8192, true},
	} {
		right, err := Receive(bytes.NewReader(tc.got))
		// Right bytes in the block with the fault may not be counted.
		if (err != nil) != tc.fails || right > total || (!tc.fails && right != tc.right) || (tc.fails && right > tc.right) {
			t.Errorf("%s: %d bytes are right, %v; want %d", name, right, err, tc.right)
		}
	}
}

func TestServersRunTheFirstLine(t *testing.T) {
	for line, want := range map[string]string{Echo + "\nhello": "hello", Sink + "\nhello": "5\n"} {
		server, client := net.Pipe()
		go func() {
			defer server.Close()
			_ = runLine(struct {
				io.Reader
				io.Writer
			}{io.MultiReader(strings.NewReader(line)), server})
		}()
		if got, err := io.ReadAll(client); string(got) != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestCPUTimeIncludesChildrenThatHaveEnded(t *testing.T) {
	parent, cpu := parseStat([]byte("42 (a (b) c) S 7 42 42 0 -1 4194560 9 0 0 0 100 20 30 40 20 0 9 0 100 1 2"))
	if parent != 7 || cpu != 1.9 {
		t.Errorf("parent %d, %v s; want 7 and 1.9 s", parent, cpu)
	}
}

// The stream ends the initial objects as an API server does, so that a gateway becomes
// ready.
func TestStreamEndsTheInitialObjects(t *testing.T) {
	servers, err := devServers("ssh-ed25519 AAAA")
	if err != nil || len(servers) != Known {
		t.Fatalf("%d servers, %v; want %d", len(servers), err, Known)
	}
	gone := httptest.NewRequest(http.MethodGet, "/apis/devserver.io/v1/devservers?watch=true&sendInitialEvents=true", nil)
	answer := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stream(answer, gone.WithContext(ctx), "DevServer", []*v1.DevServer{servers[0]})
	lines := strings.Split(strings.TrimSpace(answer.Body.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"ADDED"`) || !strings.Contains(lines[1], "k8s.io/initial-events-end") {
		t.Errorf("got %q, want a DevServer and the end of the initial objects", lines)
	}
}
