// Gateway is the one SSH jump host to all DevServers of a cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"devserver.io/devserver/internal/gateway"
	"devserver.io/devserver/internal/version"
)

func main() {
	var cfg gateway.Config
	flag.StringVar(&cfg.Listen, "listen", ":2222", "address of the SSH server")
	flag.StringVar(&cfg.HostKeyFile, "host-key", "", "file with the private host key (required)")
	flag.StringVar(&cfg.Kubeconfig, "kubeconfig", "", "how to reach the API server (default: KUBECONFIG, ~/.kube/config or the cluster that it runs in)")
	flag.StringVar(&cfg.HealthAddress, "health-address", "", "address of /healthz and /readyz, for example :8081 (default: none)")
	flag.DurationVar(&cfg.DrainTimeout, "drain-timeout", 5*time.Minute, "how long open sessions may go on after a stop; a second signal ends them at once")
	verbose := flag.Bool("verbose", false, "log failed logins too")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *showVersion {
		fmt.Println("gateway", version.Version)
		return
	}
	if cfg.HostKeyFile == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "gateway: --host-key FILE is required, and arguments are not taken: see gateway --help")
		os.Exit(2)
	}

	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	klog.SetSlogLogger(log)
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on, the next one has its usual, immediate effect.
	context.AfterFunc(ctx, stop)
	if err := gateway.Run(ctx, cfg, log); err != nil {
		log.Error("gateway failed", "error", err)
		os.Exit(1)
	}
}
