package agent

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/cgroup"
	"devserver.io/devserver/internal/agent/sshd"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/version"
)

// refreshTimeout bounds how long a drain waits for fresh figures, and a report for the
// file system of the home directory.
const refreshTimeout = time.Second

// reporter answers polls and drains.
type reporter struct {
	flags   serveFlags
	traffic *activity.Traffic
	watch   *activity.Watch
	server  *sshd.Server
	log     *slog.Logger

	// home has an element while a goroutine waits for the home directory's file
	// system: one that hangs costs one goroutine, not one for each report.
	home chan struct{}
}

func newReporter(flags serveFlags, traffic *activity.Traffic, log *slog.Logger) *reporter {
	return &reporter{flags: flags, traffic: traffic, log: log, home: make(chan struct{}, 1)}
}

// poll follows the operator's instructions, and returns a report.
func (r *reporter) poll(i agentapi.Instructions) agentapi.Report {
	r.watch.SetThresholds(i.Thresholds)
	r.server.SetNotice(i.Notice)
	r.server.Warn(i.Warning)
	return r.report()
}

func (r *reporter) report() agentapi.Report {
	report := r.activity()
	report.OOMKills = cgroup.OOMKills(r.flags.cgroupDir)
	report.Resources = r.resources()
	report.SecretHash = r.secretHash()
	report.Home = r.room()
	return report
}

// live returns a report for those who may log in: with fresh figures, and without the
// hash of the Secret.
func (r *reporter) live(ctx context.Context) agentapi.Report {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	r.watch.Refresh(ctx) // If that fails, old figures are reported as unknown.
	report := r.report()
	report.SecretHash = ""
	return report
}

// usage describes what the server uses and may use, for the notice at login.
func (r *reporter) usage() string {
	return agentapi.Report{Resources: r.resources(), Home: r.room()}.Usage()
}

func (r *reporter) resources() agentapi.Resources {
	resources := r.watch.Resources()
	resources.MemoryUsedBytes, resources.MemoryLimitBytes = cgroup.Memory(r.flags.cgroupDir)
	resources.CPULimitMillis = cgroup.CPULimitMillis(r.flags.cgroupDir)
	return resources
}

// activity returns the part of the report that decides about a drain. It reads no
// files.
func (r *reporter) activity() agentapi.Report {
	return agentapi.Report{
		Version:   version.Version,
		UpSeconds: r.watch.Up().Seconds(),
		Signals:   r.watch.Signals(),
		Sessions:  r.traffic.Sessions(),
	}
}

// drain begins to refuse new sessions if the server has been idle. For a release, it
// ends an earlier drain.
func (r *reporter) drain(ctx context.Context, d agentapi.Drain) (bool, agentapi.Report) {
	if d.Release {
		r.server.Release()
		return true, r.report()
	}
	r.watch.SetThresholds(d.Thresholds)
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if !r.watch.Refresh(ctx) {
		return false, r.report()
	}
	drained := r.server.Drain(func() bool {
		idle, _ := r.activity().Idle()
		return idle.Seconds() >= d.IdleSeconds
	}, r.flags.drainTime)
	if drained {
		r.log.Info("the server is being suspended and refuses new sessions", "for", r.flags.drainTime.String())
	}
	return drained, r.report()
}

// room returns the space in the home directory, or nil if its file system does not
// answer within refreshTimeout.
func (r *reporter) room() *agentapi.Room {
	timer := time.NewTimer(refreshTimeout)
	defer timer.Stop()
	select {
	case r.home <- struct{}{}:
	case <-timer.C:
		return nil
	}
	answer := make(chan *agentapi.Room, 1)
	go func() {
		defer func() { <-r.home }()
		room, err := sshd.RoomOf(r.flags.home)
		if err != nil {
			answer <- nil
			return
		}
		answer <- &room
	}()
	select {
	case room := <-answer:
		return room
	case <-timer.C:
		return nil
	}
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
