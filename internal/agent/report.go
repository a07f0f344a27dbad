package agent

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/sshd"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/version"
)

// refreshTimeout bounds how long a drain waits for fresh figures.
const refreshTimeout = time.Second

// reporter does what the operator asks for in polls and drains.
type reporter struct {
	flags   serveFlags
	traffic *activity.Traffic
	watch   *activity.Watch
	server  *sshd.Server
	log     *slog.Logger

	// home is held while the home's file system is asked: one that hangs costs
	// one goroutine, not one a minute.
	home sync.Mutex
}

// poll takes instructions and reports.
func (r *reporter) poll(i agentapi.Instructions) agentapi.Report {
	r.watch.SetThresholds(i.Thresholds)
	r.server.SetNotice(i.Notice)
	r.server.Warn(i.Warning)
	return r.report()
}

func (r *reporter) report() agentapi.Report {
	report := r.activity()
	report.OOMKills = activity.OOMKills(r.flags.cgroupDir)
	report.SecretHash = r.secretHash()
	report.Home = r.room()
	return report
}

// tell is what those hear who may log in: figures of this moment, and nothing
// of the Secret's.
func (r *reporter) tell(ctx context.Context) agentapi.Report {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	r.watch.Refresh(ctx) // What is older than that says so itself.
	report := r.report()
	report.SecretHash = ""
	return report
}

// activity is the part of the report that decides, and that reads no files.
func (r *reporter) activity() agentapi.Report {
	return agentapi.Report{
		Version:   version.Version,
		UpSeconds: r.watch.Up().Seconds(),
		Signals:   r.watch.Signals(),
		Sessions:  r.traffic.Sessions(),
	}
}

// drain refuses new sessions if the box has been idle, or no longer.
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
		r.log.Info("the box is going to sleep: it refuses sessions", "during", r.flags.drainTime.String())
	}
	return drained, r.report()
}

// room is that of the home, if its file system answers.
func (r *reporter) room() *agentapi.Room {
	if !r.home.TryLock() {
		return nil
	}
	told := make(chan *agentapi.Room, 1)
	go func() {
		defer r.home.Unlock()
		room, err := sshd.RoomOf(r.flags.home)
		if err != nil {
			told <- nil
			return
		}
		told <- &room
	}()
	timer := time.NewTimer(refreshTimeout)
	defer timer.Stop()
	select {
	case room := <-told:
		return room
	case <-timer.C:
		return nil
	}
}

// secretFiles are the keys of the Secret.
var secretFiles = []string{agentapi.HostKeyFile, agentapi.AuthorizedKeysFile, agentapi.ControlKeyFile, agentapi.ControlTokenFile}

// secretHash identifies the mounted Secret. It is empty where that cannot be
// read, which is no sign of an edit.
func (r *reporter) secretHash() string {
	dir := r.flags.sshDir
	// The kubelet replaces all files at once, by this link.
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
