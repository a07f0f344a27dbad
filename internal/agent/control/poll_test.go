package control

import (
	"bytes"
	"crypto/ed25519"
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
		t.Errorf("the report came otherwise (-sent +got):\n%s", diff)
	}
	heard, _ := told.Load(t.Name())
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("the instructions came otherwise (-sent +got):\n%s", diff)
	}
}

func TestDrain(t *testing.T) {
	address := serve(t, nil)
	for name, tc := range map[string]struct {
		idleSeconds float64
		drained     bool
		report      agentapi.Report
		says        string
	}{
		"idle":         {idleSeconds: 30, drained: true},
		"at work":      {idleSeconds: 90, report: report},
		"no time":      {says: "idleSeconds must be more than 0"},
		"time to come": {idleSeconds: -1, says: "idleSeconds must be more than 0"},
	} {
		t.Run(name, func(t *testing.T) {
			drained, got, err := client(t, address, key, token).Drain(t.Context(), agentapi.Drain{IdleSeconds: tc.idleSeconds})
			if drained != tc.drained || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, %v", drained, err)
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
	for name, c := range map[string]*Client{
		"no token":      client(t, address, key, ""),
		"another token": client(t, address, key, token+"x"),
		"another agent": client(t, address, other, token),
	} {
		if _, err := c.Poll(t.Context(), agentapi.Instructions{}); err == nil {
			t.Errorf("%s: polled", name)
		}
		if drained, _, err := c.Drain(t.Context(), agentapi.Drain{IdleSeconds: 1}); err == nil || drained {
			t.Errorf("%s: drained", name)
		}
	}
	if got, was := told.Load(t.Name()); was {
		t.Errorf("a stranger told the agent %v", got)
	}
}

func TestOldAgentIsTold(t *testing.T) {
	address := serve(t, nil)
	c := client(t, address, key, token)
	c.address = address + "/as-if-old" // 404, as for a path that it has not heard of
	if _, err := c.Poll(t.Context(), agentapi.Instructions{}); !errors.Is(err, agentapi.ErrUnsupported) {
		t.Errorf("polled: %v", err)
	}
	if _, _, err := c.Drain(t.Context(), agentapi.Drain{IdleSeconds: 1}); !errors.Is(err, agentapi.ErrUnsupported) {
		t.Errorf("drained: %v", err)
	}
	if err := c.SetAuthorizedKeys(t.Context(), nil); !errors.Is(err, agentapi.ErrUnsupported) {
		t.Errorf("told its keys: %v", err)
	}
}

func TestPollBody(t *testing.T) {
	var heard agentapi.Instructions
	server := &Server{Token: token, Poll: func(i agentapi.Instructions) agentapi.Report {
		heard = i
		return agentapi.Report{}
	}}
	for name, tc := range map[string]struct {
		body string
		code int
		want agentapi.Instructions
	}{
		"empty":                {`{}`, 200, agentapi.Instructions{}},
		"of a newer operator":  {`{"warning":"soon","moods":["good"],"thresholds":{"cpuMillis":3,"heartbeats":4}}`, 200, agentapi.Instructions{Warning: "soon", Thresholds: agentapi.Thresholds{CPUMillis: 3}}},
		"nothing":              {``, 400, agentapi.Instructions{}},
		"not JSON":             {`hello`, 400, agentapi.Instructions{}},
		"another type":         {`{"warning":7}`, 400, agentapi.Instructions{}},
		"longer than anything": {`{"notice":"` + strings.Repeat("x", maxMessage) + `"}`, 400, agentapi.Instructions{}},
	} {
		t.Run(name, func(t *testing.T) {
			heard = agentapi.Instructions{}
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, agentapi.PollPath, strings.NewReader(tc.body))
			request.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			server.handler().ServeHTTP(answer, request)
			if answer.Code != tc.code {
				t.Errorf("got %d: %s", answer.Code, answer.Body)
			}
			if diff := cmp.Diff(tc.want, heard); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
		})
	}
}

// The other side may be anybody who has the box's key: a box is not trusted.
func TestReportsAreBounded(t *testing.T) {
	huge := bytes.Repeat([]byte("x"), 2*maxMessage)
	server := &Server{Key: key, Token: token, Poll: func(agentapi.Instructions) agentapi.Report {
		return agentapi.Report{Version: string(huge)}
	}}
	address := serveServer(t, server)
	if _, err := client(t, address, key, token).Poll(t.Context(), agentapi.Instructions{}); err == nil {
		t.Error("a report without an end was read")
	}
}
