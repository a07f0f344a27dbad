package agent

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/cgroup"
	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/gpu"
	"devserver.io/devserver/internal/agent/keepawake"
	"devserver.io/devserver/internal/agent/prepare"
	"devserver.io/devserver/internal/agent/runtimedir"
	"devserver.io/devserver/internal/agent/spawner"
)

// gcPercent trades a little CPU time for memory: with Go's default of 100, the garbage
// of probes alone lets the programs of an idle server grow by half.
const gcPercent = 30

// sessionUmask is the umask of a session until its profile changes it.
const sessionUmask = 0o022

// procDir lists the processes of the container.
const procDir = "/proc"

func runInit(args []string, stderr io.Writer) (exitCode int, err error) {
	var flags initFlags
	if err := flags.parse(args, stderr); err != nil {
		return 2, err
	}
	log := newLogger(stderr)
	debug.SetGCPercent(gcPercent)
	if flags.root {
		err := prepare.InPlace(prepare.Place{
			Passwd: flags.passwd, Group: flags.group, UID: flags.uid, GID: flags.gid,
			Run: filepath.Dir(flags.socket),
		})
		if err != nil {
			return 1, err
		}
	}
	prepareSessions(log)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	reports := &spawnerReporter{flags: flags, room: newRoom(flags.home)}
	server, err := newSpawner(flags, reports, log)
	if err != nil {
		return 1, err
	}
	reports.watch = newWatch(flags, server, log)
	go reports.watch.Run(ctx)
	if err := server.Run(ctx); err != nil {
		return 1, err
	}
	return 0, nil
}

// newSpawner returns the spawner. It uses the reporter only once it runs.
func newSpawner(flags initFlags, reports *spawnerReporter, log *slog.Logger) (*spawner.Server, error) {
	binary, err := self()
	if err != nil {
		return nil, err
	}
	return spawner.New(spawner.Config{
		Socket: flags.socket,
		SSHUID: flags.sshUID,
		Environment: environ.Server{
			Inherited:    os.Environ(),
			User:         flags.user,
			Home:         flags.home,
			CgroupDir:    flags.cgroupDir,
			AgentDir:     filepath.Dir(binary),
			KeepAwakeDir: flags.keepAwakeDir(),
		},
		RootLogin:  flags.root,
		UID:        flags.uid,
		GID:        flags.gid,
		PasswdFile: flags.passwd,
		GroupFile:  flags.group,
		Shells:     strings.Split(flags.shells, ","),
		MotdFile:   flags.motd,
		ProcDir:    procDir,
		Binary:     binary,
		RuntimeDir: flags.runtimeDir,
		Report:     reports.report,
		Usage:      reports.usage,
		OOMKills:   func() int64 { return cgroup.OOMKills(flags.cgroupDir) },
		MemoryLimit: func() int64 {
			_, limit := cgroup.Memory(flags.cgroupDir)
			return limit
		},
		Grace:  flags.grace,
		Logger: log,
	})
}

// newWatch returns a watch of this server.
func newWatch(flags initFlags, server *spawner.Server, log *slog.Logger) *activity.Watch {
	makeDir := func(dir string) error {
		return server.AsUser(func() error { return runtimedir.Make(dir) })
	}
	if err := makeDir(flags.keepAwakeDir()); err != nil {
		log.Warn("programs cannot keep the server awake", "error", err)
	}
	folder := &keepawake.Folder{Dir: flags.keepAwakeDir(), ProcDir: procDir, Now: time.Now, Make: makeDir}
	return activity.New(activity.Config{
		Clock:       activity.NewClock(),
		Interval:    flags.activityInterval,
		Window:      flags.activityWindow,
		CgroupDir:   flags.cgroupDir,
		ProcDir:     procDir,
		TerminalDir: "/dev/pts",
		KeptAwakeBy: folder.Look,
		GPU:         &gpu.Reader{Command: flags.nvidiaSMI, RunCommand: server.RunCommand},
		GPUInterval: flags.gpuInterval,
	})
}

// prepareSessions sets the umask and limits that sessions inherit from this process.
func prepareSessions(log *slog.Logger) {
	syscall.Umask(sessionUmask)
	// Data loaders open thousands of files. Go raises its own soft limit, but starts
	// children with the original one unless the program sets it.
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if err == nil {
		limit.Cur = limit.Max
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		log.Warn("the limit of open files in sessions stays low", "error", err)
	}
}
