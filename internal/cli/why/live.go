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

// patience is how long a person waits for the figures of this moment.
const patience = 15 * time.Second

// asking are the options of ssh that make it ask for a report and for nothing
// else: no password, no terminal, no forwards.
var asking = []string{
	"-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "ForwardAgent=no",
	"-T", "-s", agentapi.ActivitySubsystem,
}

// ask asks the agent in the server how it stands, or says why it cannot be asked.
func ask(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer) (*agentapi.Report, string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	options, err := reach.OpenSSH(ctx, to, ds, reach.Options{Via: reach.Auto})
	if err != nil {
		return nil, err.Error()
	}
	var out, complaint bytes.Buffer
	command := exec.CommandContext(ctx, "ssh", slices.Concat(options, []string{agentapi.User + "@" + reach.Host(ds)}, asking)...)
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return nil, refusal(complaint.String(), err)
	}
	var report agentapi.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		return nil, "its answer cannot be read: " + err.Error()
	}
	return &report, ""
}

// refusal is why ssh got no answer.
func refusal(complaint string, err error) string {
	if strings.Contains(complaint, "subsystem request failed") {
		return "its agent is too old to tell. A restart brings a new one."
	}
	lines := strings.Split(strings.TrimSpace(complaint), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return "ssh says: " + printable.Line(last, 0)
	}
	return "ssh failed: " + err.Error()
}
