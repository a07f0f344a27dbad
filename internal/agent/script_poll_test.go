package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agentapi"
)

// operator is the operator's side of the agent's control endpoint.
func operator(ts *testscript.TestScript) *control.Client {
	key := ts.ReadFile("secret/control_key")
	client, err := control.NewClient(ts.Getenv("CONTROL"), []byte(key), "the operator's")
	ts.Check(err)
	return client
}

// report polls with the instructions of the script's last poll.
func report(ts *testscript.TestScript) agentapi.Report {
	got, err := operator(ts).Poll(context.Background(), ts.Value(agentKey{}).(*agentProcess).told)
	ts.Check(err)
	return got
}

// poll gives the agent instructions, as JSON, if any, and writes its report to
// a file.
func poll(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 {
		a := ts.Value(agentKey{}).(*agentProcess)
		a.told = agentapi.Instructions{}
		ts.Check(json.Unmarshal([]byte(args[0]), &a.told))
	}
	text, err := json.MarshalIndent(report(ts), "", " ")
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "report"), text, 0o600))
}

// drain drains the box once it has been idle for some seconds, or with ! checks
// that it is not: drain SECONDS [THRESHOLDS as JSON].
func drain(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	order := agentapi.Drain{Thresholds: ts.Value(agentKey{}).(*agentProcess).told.Thresholds, IdleSeconds: seconds}
	if len(args) > 1 {
		ts.Check(json.Unmarshal([]byte(args[1]), &order.Thresholds))
	}
	try := func() bool {
		drained, got, err := operator(ts).Drain(context.Background(), order)
		ts.Check(err)
		if !drained && got.Version == "" {
			ts.Fatalf("the box is not drained, and does not say why")
		}
		return drained
	}
	if neg {
		if try() {
			ts.Fatalf("the box is drained")
		}
		return
	}
	await(ts, "box to be drained", try)
}

const (
	// workedSeconds is what counts as work just now, and idleSeconds as none:
	// both are many samples, with the flags of these scripts.
	workedSeconds = 0.5
	idleSeconds   = 1
)

// active waits until there are signals of work.
func active(ts *testscript.TestScript, _ bool, args []string) {
	awaitSignals(ts, args, "worked just now", func(s agentapi.Signal) bool {
		return s.IdleSeconds >= 0 && s.IdleSeconds < workedSeconds
	})
}

// idle waits until there has been no signal for a while.
func idle(ts *testscript.TestScript, _ bool, args []string) {
	awaitSignals(ts, args, "has been idle", func(s agentapi.Signal) bool {
		return s.IdleSeconds < 0 || s.IdleSeconds > idleSeconds
	})
}

func awaitSignals(ts *testscript.TestScript, names []string, what string, is func(agentapi.Signal) bool) {
	for _, name := range names {
		var last agentapi.Report
		await(ts, fmt.Sprintf("that %s %s", name, what), func() bool {
			last = report(ts)
			for _, s := range last.Signals {
				if s.Name == name {
					return is(s)
				}
			}
			return false
		})
		ts.Logf("%s: %+v", name, last.Signals)
	}
}
