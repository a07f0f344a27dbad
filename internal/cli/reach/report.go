package why

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/printable"
)

// liveTimeout bounds how long a person waits for the current figures.
const liveTimeout = 15 * time.Second

// reportOptions make ssh request a report and nothing else: no password, no
// terminal, no forwarding.
var reportOptions = []string{
	"-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "ForwardAgent=no",
	"-T", "-s", agentapi.ActivitySubsystem,
}

// liveReport asks the agent in the server for a report. If there is none, failure
// says why.
func liveReport(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer) (report *agentapi.Report, failure string) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	options, err := reach.OpenSSH(ctx, to, ds, reach.Options{Via: reach.Auto})
	if err != nil {
		return nil, err.Error()
	}
	var out, complaints bytes.Buffer
	command := exec.CommandContext(ctx, "ssh", slices.Concat(options, []string{agentapi.User + "@" + reach.Host(ds)}, reportOptions)...)
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		return nil, explainFailure(complaints.String(), err)
	}
	report = &agentapi.Report{}
	if err := json.Unmarshal(out.Bytes(), report); err != nil {
		return nil, "the agent's report cannot be read: " + err.Error()
	}
	return report, ""
}

// explainFailure says why ssh got no report.
func explainFailure(complaints string, err error) string {
	if strings.Contains(complaints, "subsystem request failed") {
		return "the agent is too old to report them. A restart brings the current one."
	}
	lines := strings.Split(strings.TrimSpace(complaints), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return "ssh: " + printable.Line(last, 0)
	}
	return "ssh failed: " + err.Error()
}
