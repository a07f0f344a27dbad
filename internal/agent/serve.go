package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/gpu"
	"devserver.io/devserver/internal/agent/keepawake"
	"devserver.io/devserver/internal/agent/runtimedir"
	"devserver.io/devserver/internal/agent/sshd"
	"devserver.io/devserver/internal/agent/supervisor"
	"devserver.io/devserver/internal/agentapi"
)

// gcPercent trades a little CPU time for memory: with Go's default of 100, the garbage
// of probes alone lets the agent of an idle server grow by half.
const gcPercent = 30

// sessionUmask is the umask of a session until its profile changes it.
const sessionUmask = 0o022

func runServe(args []string, stderr io.Writer) (exitCode int, err error) {
	var flags serveFlags
	if err := flags.parse("serve", args, stderr); err != nil {
		return 2, err
	}
	log := newLogger(stderr)
	debug.SetGCPercent(gcPercent)
	prepareSessions(log)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	clock := activity.NewClock()
	traffic := activity.NewTraffic(clock)
	reports := newReporter(flags, traffic, log)
	server, err := newSSHServer(ctx, flags, reports)
	if err != nil {
		return supervisor.ExitUnusable, err
	}
	key, err := control.ReadKey(filepath.Join(flags.sshDir, agentapi.ControlKeyFile))
	if err != nil {
		return supervisor.ExitUnusable, err
	}
	token, err := control.ReadToken(filepath.Join(flags.sshDir, agentapi.ControlTokenFile))
	if err != nil {
		return supervisor.ExitUnusable, err
	}
	sshListener, err := listen(ctx, flags.sshAddress)
	if err != nil {
		return supervisor.ExitUnusable, err
	}
	controlListener, err := listen(ctx, flags.controlAddress)
	if err != nil {
		return supervisor.ExitUnusable, err
	}
	log.Info("listening", "ssh", sshListener.Addr().String(), "control", controlListener.Addr().String())
	reports.server = server
	reports.watch = newWatch(flags, server, clock, traffic, log)
	go reports.watch.Run(ctx)
	endpoint := &control.Server{
		Key: key, Token: token, Logger: log,
		Check: func(ctx context.Context) error {
			return server.Probe(ctx, reachable(sshListener.Addr()))
		},
		SetAuthorizedKeys: server.SetAuthorizedKeys,
		Poll:              reports.poll,
		Drain:             reports.drain,
	}
	if err := serveBoth(ctx, server, sshListener, endpoint, controlListener); err != nil {
		return 1, err
	}
	return 0, nil
}

// serveBoth runs the SSH server and the control endpoint until ctx ends or one of them
// fails. It returns when both have ended.
func serveBoth(ctx context.Context, server *sshd.Server, sshListener net.Listener, endpoint *control.Server, controlListener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		defer cancel()
		failed <- endpoint.Serve(ctx, controlListener)
	}()
	err := server.Serve(ctx, sshListener)
	cancel()
	return errors.Join(err, <-failed)
}

// newWatch returns a watch of this server.
func newWatch(flags serveFlags, server *sshd.Server, clock activity.Clock, traffic *activity.Traffic, log *slog.Logger) *activity.Watch {
	const procDir = "/proc"
	makeDir := func(dir string) error {
		return server.AsUser(func() error { return runtimedir.Make(dir) })
	}
	if err := makeDir(flags.keepAwakeDir()); err != nil {
		log.Warn("programs cannot keep the server awake", "error", err)
	}
	folder := &keepawake.Folder{Dir: flags.keepAwakeDir(), ProcDir: procDir, Now: time.Now, Make: makeDir}
	return activity.New(activity.Config{
		Clock:       clock,
		Traffic:     traffic,
		Interval:    flags.activityInterval,
		Window:      flags.activityWindow,
		CgroupDir:   flags.cgroupDir,
		ProcDir:     procDir,
		TerminalDir: "/dev/pts",
		KeptAwakeBy: folder.Look,
		GPU:         &gpu.Reader{Command: flags.nvidiaSMI},
		GPUInterval: flags.gpuInterval,
	})
}

// newSSHServer returns the SSH server. It uses the reporter only once it serves.
func newSSHServer(ctx context.Context, flags serveFlags, reports *reporter) (*sshd.Server, error) {
	binary, err := self()
	if err != nil {
		return nil, err
	}
	hostKey, err := sshd.ReadHostKey(filepath.Join(flags.sshDir, agentapi.HostKeyFile))
	if err != nil {
		return nil, err
	}
	return sshd.New(sshd.Config{
		HostKey:            hostKey,
		AuthorizedKeysFile: filepath.Join(flags.sshDir, agentapi.AuthorizedKeysFile),
		Environment: environ.Server{
			Inherited:    os.Environ(),
			User:         flags.user,
			Home:         flags.home,
			CgroupDir:    flags.cgroupDir,
			AgentDir:     filepath.Dir(binary),
			KeepAwakeDir: flags.keepAwakeDir(),
		},
		RootLogin:            flags.root,
		UID:                  flags.uid,
		GID:                  flags.gid,
		PasswdFile:           flags.passwd,
		GroupFile:            flags.group,
		Shells:               strings.Split(flags.shells, ","),
		MotdFile:             flags.motd,
		Binary:               binary,
		RuntimeDir:           flags.runtimeDir,
		Traffic:              reports.traffic,
		Activity:             func() agentapi.Report { return reports.live(ctx) },
		Usage:                reports.usage,
		HandshakeTimeout:     flags.handshakeTimeout,
		KeepaliveInterval:    flags.keepaliveInterval,
		KeysInterval:         flags.keysInterval,
		Grace:                flags.grace,
		MaxPending:           flags.maxPending,
		MaxPendingPerAddress: flags.maxPendingPerAddress,
		Logger:               reports.log,
	})
}

// prepareSessions sets the umask and limits that sessions inherit from this process.
func prepareSessions(log *slog.Logger) {
	syscall.Umask(sessionUmask)
	// Data loaders open thousands of files. Go raises its own soft limit, but starts
	// children with the former one unless the program has set it.
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

func listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4,
	}}
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return listener, nil
}

// reachable returns the address at which this host reaches its own listener, which is
// on loopback if the listener listens on all addresses.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return address.String()
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}).String()
}
