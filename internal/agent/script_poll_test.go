package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
)

// operator returns the operator's client of the agent.
func operator(ts *testscript.TestScript) *agentclient.Client {
	client, err := agentclient.New(agentclient.Address{
		HostPort: ts.Getenv("CONTROL"), KeyPEM: ts.ReadFile("secret/control_key"), Token: "the operator's",
	})
	ts.Check(err)
	return client
}

// report polls with the script's last instructions.
func report(ts *testscript.TestScript) agentapi.Report {
	got, err := operator(ts).Poll(context.Background(), ts.Value(agentKey{}).(*agentProcess).instructions)
	ts.Check(err)
	return got
}

// poll [INSTRUCTIONS as JSON] polls the agent, and writes its report to the file
// report.
func poll(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 {
		a := ts.Value(agentKey{}).(*agentProcess)
		a.instructions = agentapi.Instructions{}
		ts.Check(json.Unmarshal([]byte(args[0]), &a.instructions))
	}
	text, err := json.MarshalIndent(report(ts), "", " ")
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "report"), text, 0o600))
}

// drain SECONDS [THRESHOLDS as JSON] waits until the agent agrees to a drain: all
// signals have been silent for SECONDS. With !, the agent must refuse.
func drain(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	request := agentapi.Drain{Thresholds: ts.Value(agentKey{}).(*agentProcess).instructions.Thresholds, IdleSeconds: seconds}
	if len(args) > 1 {
		ts.Check(json.Unmarshal([]byte(args[1]), &request.Thresholds))
	}
	try := func() bool {
		drained, got, err := operator(ts).Drain(context.Background(), request)
		ts.Check(err)
		if !drained && got.Version == "" {
			ts.Fatalf("the agent refused the drain without a report")
		}
		return drained
	}
	if neg {
		if try() {
			ts.Fatalf("the agent agreed to the drain")
		}
		return
	}
	await(ts, "the agent to agree to the drain", try)
}

const (
	// A signal below activeSeconds of age is active, and one above idleSeconds is
	// idle. With the flags of these scripts, both are the time of many samples.
	activeSeconds = 0.5
	idleSeconds   = 1
)

// active SIGNAL... waits until each signal is active.
func active(ts *testscript.TestScript, _ bool, args []string) {
	awaitSignals(ts, args, "to be active", func(s agentapi.Signal) bool {
		return s.IdleSeconds >= 0 && s.IdleSeconds < activeSeconds
	})
}

// idle SIGNAL... waits until each signal is idle.
func idle(ts *testscript.TestScript, _ bool, args []string) {
	awaitSignals(ts, args, "to be idle", func(s agentapi.Signal) bool {
		return s.IdleSeconds < 0 || s.IdleSeconds > idleSeconds
	})
}

func awaitSignals(ts *testscript.TestScript, names []string, what string, ok func(agentapi.Signal) bool) {
	for _, name := range names {
		var last agentapi.Report
		await(ts, fmt.Sprintf("%s %s", name, what), func() bool {
			last = report(ts)
			for _, s := range last.Signals {
				if s.Name == name {
					return ok(s)
				}
			}
			return false
		})
		ts.Logf("%s: %+v", name, last.Signals)
	}
}
