// Package gateway is the one SSH address of all DevServers:
//
//	ssh -J GATEWAY dev@NAME.NAMESPACE
//
// It authenticates the client's key against the keys of all DevServers, which
// it knows from a watch, and leads to the boxes that this key opens, to nothing
// else. The session inside is between client and box from end to end: the
// gateway sees none of it, and holds nobody's key.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config is what the gateway is told at its start.
type Config struct {
	// Listen is the address of the SSH server, for example ":2222".
	Listen string
	// HostKeyFile has the private host key, in OpenSSH's or PKCS #8 PEM
	// format. Replicas behind one address need the same one.
	HostKeyFile string
	// Kubeconfig is how to reach the API server. Left empty, it is KUBECONFIG,
	// ~/.kube/config or, in a pod, the cluster itself.
	Kubeconfig string
	// HealthAddress serves /healthz and /readyz over HTTP, unless it is empty.
	HealthAddress string
	// DrainTimeout is how long open sessions may go on after a stop.
	DrainTimeout time.Duration
}

// Run runs the gateway until ctx ends, and then until the sessions are over,
// at most for the drain timeout.
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
	asked := ctx
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	health := &health{}
	if cfg.HealthAddress != "" {
		stop, err := health.listen(ctx, cfg.HealthAddress, fail)
		if err != nil {
			return err
		}
		defer stop()
	}
	boxes := newDirectory()
	server := newServer(hostKey, boxes, log)
	watchFailed, stopWatch, err := watch(ctx, api, boxes)
	if err != nil {
		return err
	}
	defer stopWatch()
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
	log.Info("ready", "listen", listener.Addr().String(), "host_key", ssh.FingerprintSHA256(hostKey.PublicKey()))
	server.serve(listener)

	log.Info("stopping", "drain_timeout", cfg.DrainTimeout.String())
	draining, stopDraining := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer stopDraining()
	if left := server.drain(draining); left > 0 {
		log.Warn("cut off connections that were still open", "connections", left)
	}
	if asked.Err() == nil {
		return context.Cause(ctx)
	}
	return nil
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

func apiConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	return config, nil
}
