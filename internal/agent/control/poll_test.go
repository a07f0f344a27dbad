package control

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"devserver.io/devserver/internal/agentapi"
)

func TestPoll(t *testing.T) {
	address := serve(t, nil)
	want := agentapi.Instructions{
		Thresholds: agentapi.Thresholds{CPUMillis: 5, GPUPercent: 6, SSHBytes: 7},
		Notice:     "first\nsecond", Warning: "in 5 minutes",
	}
	got, err := client(t, address, key, token).Poll(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, got); diff != "" {
		t.Errorf("the report changed on the way (-sent +got):\n%s", diff)
	}
	instructions, _ := received.Load(t.Name())
	if diff := cmp.Diff(want, instructions); diff != "" {
		t.Errorf("the instructions changed on the way (-sent +got):\n%s", diff)
	}
}

func TestDrain(t *testing.T) {
	address := serve(t, nil)
	for name, tc := range map[string]struct {
		idleSeconds float64
		drained     bool
		report      agentapi.Report
		wantErr     string
	}{
		"idle":          {idleSeconds: 30, drained: true},
		"active":        {idleSeconds: 90, report: report},
		"no time":       {wantErr: "idleSeconds must be more than 0"},
		"negative time": {idleSeconds: -1, wantErr: "idleSeconds must be more than 0"},
	} {
		t.Run(name, func(t *testing.T) {
			drained, got, err := client(t, address, key, token).Drain(t.Context(), agentapi.Drain{IdleSeconds: tc.idleSeconds})
			if drained != tc.drained || (err == nil) != (tc.wantErr == "") || (err != nil && !strings.Contains(err.Error(), tc.wantErr)) {
				t.Fatalf("drained: %t, error: %v", drained, err)
			}
			if diff := cmp.Diff(tc.report, got); diff != "" {
				t.Errorf("the report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyTheOperatorPolls(t *testing.T) {
	address := serve(t, nil)
	other := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for name, c := range map[string]operator{
		"no token":      client(t, address, key, ""),
		"another token": client(t, address, key, token+"x"),
		"another agent": client(t, address, other, token),
	} {
		if _, err := c.Poll(t.Context(), agentapi.Instructions{}); err == nil {
			t.Errorf("%s: the poll was answered", name)
		}
		if drained, _, err := c.Drain(t.Context(), agentapi.Drain{IdleSeconds: 1}); err == nil || drained {
			t.Errorf("%s: the agent drained", name)
		}
	}
	if got, ok := received.Load(t.Name()); ok {
		t.Errorf("the agent accepted %v", got)
	}
}

func TestOlderAgentIsUnsupported(t *testing.T) {
	certificate, err := selfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	older := httptest.NewUnstartedServer(http.NotFoundHandler()) // It serves none of these paths.
	older.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	older.StartTLS()
	defer older.Close()
	c := client(t, older.Listener.Addr().String(), key, token)
	if _, err := c.Poll(t.Context(), agentapi.Instructions{}); !errors.Is(err, agentapi.ErrUnsupported) {
		t.Errorf("Poll: got %v", err)
	}
	if _, _, err := c.Drain(t.Context(), agentapi.Drain{IdleSeconds: 1}); !errors.Is(err, agentapi.ErrUnsupported) {
		t.Errorf("Drain: got %v", err)
	}
	if err := c.SetAuthorizedKeys(t.Context(), nil); !errors.Is(err, agentapi.ErrUnsupported) {
		t.Errorf("SetAuthorizedKeys: got %v", err)
	}
}

func TestPollBody(t *testing.T) {
	var got agentapi.Instructions
	server := &Server{Token: token, Poll: func(i agentapi.Instructions) agentapi.Report {
		got = i
		return agentapi.Report{}
	}}
	for name, tc := range map[string]struct {
		body string
		code int
		want agentapi.Instructions
	}{
		"empty":                 {`{}`, 200, agentapi.Instructions{}},
		"a newer operator":      {`{"warning":"soon","colors":["red"],"thresholds":{"cpuMillis":3,"heartbeats":4}}`, 200, agentapi.Instructions{Warning: "soon", Thresholds: agentapi.Thresholds{CPUMillis: 3}}},
		"nothing":               {``, 400, agentapi.Instructions{}},
		"not JSON":              {`hello`, 400, agentapi.Instructions{}},
		"another type":          {`{"warning":7}`, 400, agentapi.Instructions{}},
		"longer than the limit": {`{"notice":"` + strings.Repeat("x", maxMessage) + `"}`, 400, agentapi.Instructions{}},
	} {
		t.Run(name, func(t *testing.T) {
			got = agentapi.Instructions{}
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, agentapi.PollPath, strings.NewReader(tc.body))
			request.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			server.handler().ServeHTTP(answer, request)
			if answer.Code != tc.code {
				t.Errorf("got status %d, want %d: %s", answer.Code, tc.code, answer.Body)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("instructions (-want +got):\n%s", diff)
			}
		})
	}
}

// The operator does not trust servers: a program in one that gets hold of the
// control key may send a report of any length.
func TestReportsAreBounded(t *testing.T) {
	huge := bytes.Repeat([]byte("x"), 2*maxMessage)
	server := &Server{Key: key, Token: token, Poll: func(agentapi.Instructions) agentapi.Report {
		return agentapi.Report{Version: string(huge)}
	}}
	address := serveServer(t, server)
	if _, err := client(t, address, key, token).Poll(t.Context(), agentapi.Instructions{}); err == nil {
		t.Errorf("the client read a report of %d bytes", 2*maxMessage)
	}
}
