// Package gateway is the one SSH address of all DevServers:
//
//	ssh -J GATEWAY dev@NAME.NAMESPACE
//
// It authenticates the client's key against the keys of all DevServers and
// DevServerUsers, which it knows from watches, and connects the client to the
// servers that this key opens, and to nothing else. It wakes a suspended server.
// The SSH session inside is encrypted between client and server: the gateway
// cannot read it, and has no user's key.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/client-go/rest"
)

// Config is the configuration of the gateway.
type Config struct {
	// Listen is the address of the SSH server, for example ":2222".
	Listen string
	// HostKeyFile has the private host key, in OpenSSH or PKCS #8 PEM format.
	// Replicas behind one address need the same key.
	HostKeyFile string
	// Kubeconfig is the file that says how to reach the API server. If it is empty,
	// it is KUBECONFIG, ~/.kube/config or, in a pod, the cluster itself.
	Kubeconfig string
	// UserCAFile has the public keys of OpenSSH user certificate authorities, one per
	// line. A certificate that one of them signed opens the servers of the owners
	// that its principals name. A change of the file takes effect within seconds, and
	// disconnects clients whose authority was removed. If it is empty, the gateway
	// accepts no certificates.
	UserCAFile string
	// Address is the gateway's address as users reach it, HOST or HOST:PORT, for the
	// commands that it shows. It can be empty.
	Address string
	// WakeTimeout is how long a client waits for a server that wakes or starts.
	WakeTimeout time.Duration
	// HealthAddress is where /healthz and /readyz are served over HTTP, and
	// MetricsAddress where /metrics is. If they are empty, they are not served.
	HealthAddress, MetricsAddress string
	// MaxConnections is how many clients can be logged in at once, and
	// MaxConnectionsPerUser how many of them can belong to one user. 0 means the default.
	MaxConnections, MaxConnectionsPerUser int64
	// DrainTimeout is how long open sessions can continue after the gateway receives
	// a signal to stop.
	DrainTimeout time.Duration
}

// defaultWakeTimeout suffices to pull an image at an ordinary speed. A client that
// gives up earlier, as editors do, finds the server running later.
const defaultWakeTimeout = 2 * time.Minute

// AddTo adds the flags that set the configuration.
func (c *Config) AddTo(flags *flag.FlagSet) {
	flags.StringVar(&c.Listen, "listen", ":2222", "address of the SSH server")
	flags.StringVar(&c.HostKeyFile, "host-key", "", "file with the private host key (required)")
	flags.StringVar(&c.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server (default: KUBECONFIG, ~/.kube/config or the cluster that the gateway runs in)")
	flags.StringVar(&c.UserCAFile, "user-ca", "", "file with the public keys of OpenSSH user certificate authorities, one per line; the principals of a certificate name owners of DevServers (default: no certificates)")
	flags.StringVar(&c.Address, "address", "", "the gateway's address as users reach it, HOST or HOST:PORT, for the commands that it shows")
	flags.DurationVar(&c.WakeTimeout, "wake-timeout", defaultWakeTimeout, "how long a client waits for a DevServer that wakes or starts")
	flags.StringVar(&c.HealthAddress, "health-address", "", "address of /healthz and /readyz, for example :8081 (default: none)")
	flags.StringVar(&c.MetricsAddress, "metrics-address", "", "address of /metrics, for example :8080 (default: none)")
	flags.Int64Var(&c.MaxConnections, "max-connections", defaultConnections, "how many connections can be logged in at once")
	flags.Int64Var(&c.MaxConnectionsPerUser, "max-connections-per-user", defaultConnectionsPerUser, "how many of them can belong to one user")
	flags.DurationVar(&c.DrainTimeout, "drain-timeout", 5*time.Minute, "how long open sessions can continue after a signal to stop; a second signal ends them at once")
}

// Check returns what is wrong with the configuration.
func (c *Config) Check() error {
	switch {
	case c.HostKeyFile == "":
		return errors.New("--host-key FILE is required")
	case c.WakeTimeout <= 0:
		return errors.New("--wake-timeout must be positive, for example 2m")
	case c.MaxConnections < 0 || c.MaxConnectionsPerUser < 0:
		return errors.New("--max-connections and --max-connections-per-user must not be negative")
	case c.DrainTimeout < 0:
		return errors.New("--drain-timeout must not be negative")
	}
	return nil
}

// Run runs the gateway until ctx ends, and then until all sessions have ended, at
// most for the drain timeout.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	hostKey, err := readHostKey(cfg.HostKeyFile)
	if err != nil {
		return err
	}
	api, err := apiConfig(cfg.Kubeconfig)
	if err != nil {
		return err
	}
	return run(ctx, cfg, hostKey, api, log)
}

func run(ctx context.Context, cfg Config, hostKey ssh.Signer, api *rest.Config, log *slog.Logger) error {
	stopped := ctx
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	servers := newDirectory()
	server, err := configured(cfg, hostKey, api, servers, log)
	if err != nil {
		return err
	}
	health := &health{}
	healthAddress, stopHealth, err := serveHTTP(ctx, cfg.HealthAddress, health.handler(), fail)
	if err != nil {
		return err
	}
	defer stopHealth()
	_, stopMetrics, err := serveHTTP(ctx, cfg.MetricsAddress, server.metrics.handler(), fail)
	if err != nil {
		return err
	}
	defer stopMetrics()
	watchFailed, stopWatch, err := watch(ctx, api, servers)
	if err != nil {
		return err
	}
	defer stopWatch()
	if cfg.UserCAFile != "" {
		ticker := time.NewTicker(authoritiesInterval)
		defer ticker.Stop()
		go server.followAuthorities(ctx, cfg.UserCAFile, ticker.C)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening for SSH: %w", err)
	}
	go func() {
		select {
		case err := <-watchFailed:
			fail(err)
		case <-ctx.Done():
		}
		health.ready.Store(false)
		_ = listener.Close()
	}()
	health.ready.Store(true)
	log.Info("ready", "listen", listener.Addr().String(), "health", healthAddress, "host_key", ssh.FingerprintSHA256(hostKey.PublicKey()))
	server.serve(listener)

	log.Info("stopping", "drain_timeout", cfg.DrainTimeout.String())
	draining, stopDraining := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer stopDraining()
	if left := server.drain(draining); left > 0 {
		log.Warn("closed connections that were still open", "connections", left)
	}
	if stopped.Err() == nil {
		return context.Cause(ctx)
	}
	return nil
}

// configured returns the SSH server with the configuration cfg.
func configured(cfg Config, hostKey ssh.Signer, api *rest.Config, servers *directory, log *slog.Logger) (*server, error) {
	trusted, err := readAuthorities(cfg.UserCAFile)
	if err != nil {
		return nil, err
	}
	edit, err := leaseEditor(api)
	if err != nil {
		return nil, err
	}
	s := newServer(hostKey, servers, edit, log)
	s.authorities.Store(&trusted)
	s.address, s.patience = cfg.Address, patient(cfg.WakeTimeout)
	s.limits = newLimits(cmp.Or(cfg.MaxConnections, defaultConnections), cmp.Or(cfg.MaxConnectionsPerUser, defaultConnectionsPerUser))
	return s, nil
}

func readHostKey(file string) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, fmt.Errorf("reading the host key from %s: %w", file, err)
	}
	return key, nil
}
