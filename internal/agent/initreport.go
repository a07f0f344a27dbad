package agent

import (
	"context"
	"time"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/cgroup"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/agent/spawner"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/version"
)

// refreshTimeout bounds how long a report waits for fresh figures, and for the file
// system of the home directory.
const refreshTimeout = time.Second

// spawnerReporter makes the spawner's reports.
type spawnerReporter struct {
	flags initFlags
	watch *activity.Watch
	room  *room
}

func (r *spawnerReporter) report(ctx context.Context, request spawnapi.ReportRequest) spawnapi.Report {
	if request.Thresholds != nil {
		r.watch.SetThresholds(*request.Thresholds)
	}
	fresh := true
	if request.Refresh {
		ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
		defer cancel()
		fresh = r.watch.Refresh(ctx)
	}
	return spawnapi.Report{
		Version:   version.Version,
		Fresh:     fresh,
		UpSeconds: r.watch.Up().Seconds(),
		Signals:   r.watch.Signals(),
		OOMKills:  cgroup.OOMKills(r.flags.cgroupDir),
		Resources: r.resources(),
		Home:      r.room.read(),
	}
}

// usage describes what the server uses and may use, for the notice at login.
func (r *spawnerReporter) usage() string {
	return agentapi.Report{Resources: r.resources(), Home: r.room.read()}.Usage()
}

func (r *spawnerReporter) resources() agentapi.Resources {
	resources := r.watch.Resources()
	resources.MemoryUsedBytes, resources.MemoryLimitBytes = cgroup.Memory(r.flags.cgroupDir)
	resources.CPULimitMillis = cgroup.CPULimitMillis(r.flags.cgroupDir)
	return resources
}

// room reads the space in a folder.
type room struct {
	dir string
	// waiting has an element while a goroutine waits for the file system. A file system
	// that hangs costs one goroutine, not one for each report.
	waiting chan struct{}
}

func newRoom(dir string) *room { return &room{dir: dir, waiting: make(chan struct{}, 1)} }

// read returns the space in the folder, or nil if its file system does not answer within
// refreshTimeout.
func (r *room) read() *agentapi.Room {
	timer := time.NewTimer(refreshTimeout)
	defer timer.Stop()
	select {
	case r.waiting <- struct{}{}:
	case <-timer.C:
		return nil
	}
	answer := make(chan *agentapi.Room, 1)
	go func() {
		defer func() { <-r.waiting }()
		space, err := spawner.RoomOf(r.dir)
		if err != nil {
			answer <- nil
			return
		}
		answer <- &space
	}()
	select {
	case space := <-answer:
		return space
	case <-timer.C:
		return nil
	}
}
