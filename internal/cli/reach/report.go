package reach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/printable"
)

// reportTimeout bounds how long a person waits for the report of a server.
const reportTimeout = 15 * time.Second

// reportOptions make ssh request a report and nothing else: no password, no
// terminal, no forwarding.
var reportOptions = []string{
	"-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "ForwardAgent=no",
	"-T", "-s", agentapi.ActivitySubsystem,
}

// Report asks the agent in a running server for its current figures, over SSH. That
// does not count as activity.
func Report(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer) (*agentapi.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	options, err := OpenSSH(ctx, to, ds, Options{Via: Auto})
	if err != nil {
		return nil, err
	}
	out, complaints := bounded{limit: agentapi.MaxReportBytes + 1}, bounded{limit: maxComplaints, drops: true}
	command := exec.CommandContext(ctx, "ssh", slices.Concat(options, []string{agentapi.User + "@" + Host(ds)}, reportOptions)...)
	command.Stdout, command.Stderr = &out, &complaints
	// At SIGTERM, ssh ends its ProxyCommand too, which would keep stderr open.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Second
	if err := command.Run(); err != nil && !out.exceeded {
		return nil, explainFailure(complaints.text.String(), err)
	}
	report, err := agentapi.ReadReport(&out.text)
	if err != nil {
		return nil, errors.New(printable.Line(err.Error(), 0))
	}
	return &report, nil
}

// maxComplaints is how much of what ssh writes to its standard error is kept, in bytes.
const maxComplaints = 64 << 10

// bounded keeps the first bytes that are written to it, because a server may send any
// number. Beyond the limit it drops them, or fails, so that ssh ends.
type bounded struct {
	text     bytes.Buffer
	limit    int
	drops    bool
	exceeded bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := b.limit - b.text.Len()
	b.text.Write(p[:min(room, len(p))])
	if len(p) <= room {
		return len(p), nil
	}
	b.exceeded = true
	if b.drops {
		return len(p), nil
	}
	return room, io.ErrShortWrite
}

// errOldAgent is the error for an agent that does not know the request.
var errOldAgent = errors.New("the agent is too old to report them; a restart brings the current one")

// explainFailure says why ssh got no report.
func explainFailure(complaints string, err error) error {
	if strings.Contains(complaints, "subsystem request failed") {
		return errOldAgent
	}
	lines := strings.Split(strings.TrimSpace(complaints), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return errors.New("ssh: " + printable.Line(last, 0))
	}
	return fmt.Errorf("ssh failed: %w", err)
}
