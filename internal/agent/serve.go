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
	"devserver.io/devserver/internal/agent/keep"
	"devserver.io/devserver/internal/agent/runtimedir"
	"devserver.io/devserver/internal/agent/sshd"
	"devserver.io/devserver/internal/agent/supervisor"
	"devserver.io/devserver/internal/agentapi"
)

// gcPercent trades a little CPU for memory: with Go's default of 100 the
// probes alone let an idle box's agent grow by half.
const gcPercent = 30

// sessionUmask is that of a session before its own profile changes it.
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
	var reports *reporter
	server, err := newSSHServer(flags, traffic, func() agentapi.Report { return reports.tell(ctx) }, log)
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
	watch := newWatch(flags, server, clock, traffic, log)
	go watch.Run(ctx)
	reports = &reporter{flags: flags, traffic: traffic, watch: watch, server: server, log: log}
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

// serveBoth returns when both have ended, and ends both when one fails.
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

// newWatch watches this box.
func newWatch(flags serveFlags, server *sshd.Server, clock activity.Clock, traffic *activity.Traffic, log *slog.Logger) *activity.Watch {
	const procDir = "/proc"
	makeDir := func(dir string) error {
		return server.AsUser(func() error { return runtimedir.Make(dir) })
	}
	if err := makeDir(flags.keepDir()); err != nil {
		log.Warn("nothing can ask for the box to be kept", "error", err)
	}
	kept := &keep.Folder{Dir: flags.keepDir(), ProcDir: procDir, Now: time.Now, Make: makeDir}
	return activity.New(activity.Config{
		Clock:       clock,
		Traffic:     traffic,
		Interval:    flags.activityInterval,
		Window:      flags.activityWindow,
		CgroupDir:   flags.cgroupDir,
		ProcDir:     procDir,
		TerminalDir: "/dev/pts",
		Kept:        kept.Look,
		GPU:         &gpu.Reader{Command: flags.nvidiaSMI},
		GPUInterval: flags.gpuInterval,
	})
}

func newSSHServer(flags serveFlags, traffic *activity.Traffic, report func() agentapi.Report, log *slog.Logger) (*sshd.Server, error) {
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
		Box: environ.Box{
			Inherited: os.Environ(),
			User:      flags.user,
			Home:      flags.home,
			CgroupDir: flags.cgroupDir,
			AgentDir:  filepath.Dir(binary),
			KeepDir:   flags.keepDir(),
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
		Traffic:              traffic,
		Activity:             report,
		HandshakeTimeout:     flags.handshakeTimeout,
		KeepaliveInterval:    flags.keepaliveInterval,
		KeysInterval:         flags.keysInterval,
		Grace:                flags.grace,
		MaxPending:           flags.maxPending,
		MaxPendingPerAddress: flags.maxPendingPerAddress,
		Logger:               log,
	})
}

// prepareSessions sets what sessions inherit from this process.
func prepareSessions(log *slog.Logger) {
	syscall.Umask(sessionUmask)
	// Data loaders open thousands of files. Go raises its own soft limit and
	// gives children the old one back, unless the program sets it itself.
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if err == nil {
		limit.Cur = limit.Max
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		log.Warn("sessions keep a low limit of open files", "error", err)
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

// reachable is the address at which this machine reaches its own listener: one
// that listens on all addresses is reached on loopback.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return address.String()
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}).String()
}
