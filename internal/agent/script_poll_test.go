package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
)

// operator is the operator's side of the agent's control endpoint.
func operator(ts *testscript.TestScript) *agentclient.Client {
	key := ts.ReadFile("secret/control_key")
	client, err := agentclient.New(agentclient.Address{HostPort: ts.Getenv("CONTROL"), KeyPEM: key, Token: "the operator's"})
	ts.Check(err)
	return client
}

// report polls with the instructions of the script's last poll. The operator's
// client waits for seconds only, which may be too short on a busy machine.
func report(ts *testscript.TestScript) agentapi.Report {
	var got agentapi.Report
	var err error
	await(ts, "the agent to answer a poll", func() bool {
		got, err = operator(ts).Poll(context.Background(), ts.Value(agentKey{}).(*agentProcess).instructions)
		if err != nil {
			ts.Logf("polling: %v", err)
		}
		return err == nil
	})
	return got
}

// poll gives the agent instructions, as JSON, if any, and writes its report to
// a file.
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

// drain drains the server once it has been idle for some seconds, or with ! checks
// that it is not: drain SECONDS [THRESHOLDS as JSON].
func drain(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	order := agentapi.Drain{Thresholds: ts.Value(agentKey{}).(*agentProcess).instructions.Thresholds, IdleSeconds: seconds}
	if len(args) > 1 {
		ts.Check(json.Unmarshal([]byte(args[1]), &order.Thresholds))
	}
	try := func() bool {
		drained, got, err := operator(ts).Drain(context.Background(), order)
		ts.Check(err)
		if !drained && got.Version == "" {
			ts.Fatalf("the agent did not agree to the drain, and does not say why")
		}
		return drained
	}
	if neg {
		// What was typed before may be older than SECONDS on a busy machine: then it
		// is typed once more.
		await(ts, "the drain to be refused", func() bool {
			if !try() {
				return true
			}
			release := agentapi.Drain{Release: true}
			_, _, err := operator(ts).Drain(context.Background(), release)
			ts.Check(err)
			ts.Check(ts.Exec("sh", "-c", "echo > keys"))
			return false
		})
		return
	}
	await(ts, "the agent to agree to the drain", try)
}

// idleSeconds is what counts as idle: many samples, with the flags of these
// scripts.
const idleSeconds = 1

// active waits until a signal shows activity that is newer than what the script
// last waited for. How long ago that is by then depends on the machine.
func active(ts *testscript.TestScript, _ bool, args []string) {
	seen := ts.Value(agentKey{}).(*agentProcess).seen
	awaitSignals(ts, args, "has been active", func(s agentapi.Signal, polled time.Time, _ time.Duration) bool {
		if s.IdleSeconds < 0 || !polled.Add(-seconds(s.IdleSeconds)).After(seen[s.Name]) {
			return false
		}
		seen[s.Name] = polled
		return true
	})
}

// idle waits until there has been no signal for a while.
func idle(ts *testscript.TestScript, _ bool, args []string) {
	seen := ts.Value(agentKey{}).(*agentProcess).seen
	awaitSignals(ts, args, "has been idle", func(s agentapi.Signal, polled time.Time, took time.Duration) bool {
		// Longer than that before the poll began, whenever the agent has answered it.
		if s.IdleSeconds >= 0 && seconds(s.IdleSeconds) <= took+seconds(idleSeconds) {
			return false
		}
		// The margin is for the rounding of figures and the interval of samples.
		seen[s.Name] = polled.Add(-seconds(idleSeconds) / 2)
		return true
	})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// awaitSignals polls until done with each signal. A poll began at polled and took
// some time, in which the agent looked at the signals.
func awaitSignals(ts *testscript.TestScript, names []string, what string, done func(s agentapi.Signal, polled time.Time, took time.Duration) bool) {
	for _, name := range names {
		var last agentapi.Report
		await(ts, fmt.Sprintf("that %s %s", name, what), func() bool {
			polled := time.Now()
			last = report(ts)
			took := time.Since(polled)
			for _, s := range last.Signals {
				if s.Name == name {
					return done(s, polled, took)
				}
			}
			return false
		})
		ts.Logf("%s: %+v", name, last.Signals)
	}
}
