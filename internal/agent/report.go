package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/agent/sshd"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/version"
)

// spawnerTimeout is how long a report waits for the spawner: longer than the spawner
// waits for fresh figures and the home directory, and shorter than the operator waits for
// the report.
const spawnerTimeout = 2500 * time.Millisecond

// reporter answers polls and drains.
type reporter struct {
	flags   serveFlags
	traffic *activity.Traffic
	clients *activity.Clients
	spawner *spawnapi.Client
	server  *sshd.Server
	log     *slog.Logger
}

// poll follows the operator's instructions, and returns a report.
func (r *reporter) poll(i agentapi.Instructions) agentapi.Report {
	r.clients.SetThresholds(i.Thresholds)
	r.server.SetNotice(i.Notice)
	r.server.Warn(i.Warning)
	report := r.report(context.Background(), spawnapi.ReportRequest{Thresholds: &i.Thresholds})
	report.SecretHash = r.secretHash()
	return report
}

// live returns a report for those who may log in: with fresh figures, and without the
// hash of the Secret.
func (r *reporter) live(ctx context.Context) agentapi.Report {
	return r.report(ctx, spawnapi.ReportRequest{Refresh: true})
}

// ask asks the spawner for its part of a report.
func (r *reporter) ask(ctx context.Context, request spawnapi.ReportRequest) (spawnapi.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, spawnerTimeout)
	defer cancel()
	if request.Refresh {
		r.clients.Sample()
	}
	report, err := r.spawner.Report(ctx, request)
	if err != nil {
		// IdleSeconds is 0, so the server counts as active.
		unknown := agentapi.Signal{Name: agentapi.SignalCPU, Value: fmt.Sprintf("CPU unknown: %v", err)}
		return spawnapi.Report{Signals: []agentapi.Signal{unknown}}, err
	}
	return report, nil
}

// report returns the report of the whole server. If the spawner does not answer, the
// server counts as active.
func (r *reporter) report(ctx context.Context, request spawnapi.ReportRequest) agentapi.Report {
	fromSpawner, _ := r.ask(ctx, request) // The report has the error.
	return r.join(fromSpawner)
}

// join adds the spawner's report to what the SSH server knows.
func (r *reporter) join(s spawnapi.Report) agentapi.Report {
	return agentapi.Report{
		Version:   version.Version,
		UpSeconds: min(r.clients.Up().Seconds(), s.UpSeconds),
		Signals:   r.clients.Signals(s.Signals),
		Sessions:  r.traffic.Sessions(),
		OOMKills:  s.OOMKills,
		Resources: s.Resources,
		Home:      s.Home,
	}
}

// drain begins to refuse new sessions if the server has been idle. For a release, it
// ends an earlier drain.
func (r *reporter) drain(ctx context.Context, d agentapi.Drain) (bool, agentapi.Report) {
	if d.Release {
		r.server.Release()
		return true, r.report(ctx, spawnapi.ReportRequest{})
	}
	r.clients.SetThresholds(d.Thresholds)
	fromSpawner, err := r.ask(ctx, spawnapi.ReportRequest{Thresholds: &d.Thresholds, Refresh: true})
	if err != nil || !fromSpawner.Fresh {
		return false, r.join(fromSpawner)
	}
	drained := r.server.Drain(func() bool {
		// Clients may have been active since the spawner reported.
		idle, _ := r.join(fromSpawner).Idle()
		return idle.Seconds() >= d.IdleSeconds
	}, r.flags.drainTime)
	if drained {
		r.log.Info("the server is being suspended and refuses new sessions", "for", r.flags.drainTime.String())
	}
	return drained, r.join(fromSpawner)
}

// secretFiles are the files of the Secret.
var secretFiles = []string{agentapi.HostKeyFile, agentapi.AuthorizedKeysFile, agentapi.ControlKeyFile, agentapi.ControlTokenFile}

// secretHash returns the hash of the mounted Secret. It is empty if a file cannot be
// read, which does not mean that the Secret was edited.
func (r *reporter) secretHash() string {
	dir := r.flags.sshDir
	// The kubelet replaces all files at once, by replacing this link.
	if current, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		dir = current
	}
	files := make(map[string][]byte, len(secretFiles))
	for _, name := range secretFiles {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return ""
		}
		files[name] = text
	}
	return agentapi.FilesHash(files)
}
