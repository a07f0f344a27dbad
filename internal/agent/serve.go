package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/cgroup"
	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/agent/sshd"
	"devserver.io/devserver/internal/agentapi"
)

func runServe(args []string, stderr io.Writer) (exitCode int, err error) {
	var flags serveFlags
	if err := flags.parse(args, stderr); err != nil {
		return 2, err
	}
	log := newLogger(stderr)
	debug.SetGCPercent(gcPercent)
	if limit := memoryLimit(); limit > 0 {
		// Near its memory limit, the program spends more CPU time on garbage collection.
		// Otherwise it would be killed, which ends all connections.
		debug.SetMemoryLimit(limit / 5 * 4)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	traffic := activity.NewTraffic(activity.NewClock())
	reports := &reporter{
		flags:   flags,
		traffic: traffic,
		clients: activity.NewClients(traffic, flags.activityInterval, flags.activityWindow),
		spawner: &spawnapi.Client{Socket: flags.socket, UID: flags.spawnerUID, Relay: flags.relay},
		log:     log,
	}
	reports.server, err = newSSHServer(ctx, reports)
	if err != nil {
		return 1, err
	}
	key, err := control.ReadKey(filepath.Join(flags.sshDir, agentapi.ControlKeyFile))
	if err != nil {
		return 1, err
	}
	token, err := control.ReadToken(filepath.Join(flags.sshDir, agentapi.ControlTokenFile))
	if err != nil {
		return 1, err
	}
	sshListener, err := listen(ctx, flags.sshAddress)
	if err != nil {
		return 1, err
	}
	controlListener, err := listen(ctx, flags.controlAddress)
	if err != nil {
		return 1, err
	}
	log.Info("listening", "ssh", sshListener.Addr().String(), "control", controlListener.Addr().String())
	go reports.clients.Run(ctx)
	endpoint := &control.Server{
		Key: key, Token: token, Logger: log,
		Check: func(ctx context.Context) error {
			return check(ctx, reports, sshListener.Addr())
		},
		SetAuthorizedKeys: reports.server.SetAuthorizedKeys,
		Poll:              reports.poll,
		Drain:             reports.drain,
	}
	if err := serveBoth(ctx, reports.server, sshListener, endpoint, controlListener); err != nil {
		return 1, err
	}
	return 0, nil
}

// memoryLimit returns the container's memory limit in bytes. 0 means no limit.
func memoryLimit() int64 {
	_, limit := cgroup.Memory(cgroupDir)
	return max(limit, 0)
}

// check returns an error if the server cannot be used: if the SSH server does not answer,
// or the spawner does not.
func check(ctx context.Context, reports *reporter, address net.Addr) error {
	if err := reports.server.Probe(ctx, reachable(address)); err != nil {
		return err
	}
	return reports.spawner.Ping(ctx)
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

// newSSHServer returns the SSH server.
func newSSHServer(ctx context.Context, reports *reporter) (*sshd.Server, error) {
	flags := reports.flags
	hostKey, err := sshd.ReadHostKey(filepath.Join(flags.sshDir, agentapi.HostKeyFile))
	if err != nil {
		return nil, err
	}
	return sshd.New(sshd.Config{
		HostKey:              hostKey,
		AuthorizedKeysFile:   filepath.Join(flags.sshDir, agentapi.AuthorizedKeysFile),
		User:                 flags.user,
		RootLogin:            flags.root,
		Spawner:              reports.spawner,
		Traffic:              reports.traffic,
		Activity:             func() agentapi.Report { return reports.live(ctx) },
		Timeouts:             flags.timeouts,
		MemoryLimit:          memoryLimit(),
		KeepaliveInterval:    flags.keepaliveInterval,
		KeysInterval:         flags.keysInterval,
		Grace:                flags.grace,
		MaxPending:           flags.maxPending,
		MaxPendingPerAddress: flags.maxPendingPerAddress,
		Logger:               reports.log,
	})
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
