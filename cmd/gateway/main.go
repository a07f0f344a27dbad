// Command gateway is the SSH jump host for all DevServers of a cluster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"devserver.io/devserver/internal/gateway"
	"devserver.io/devserver/internal/version"
)

func main() {
	var cfg gateway.Config
	cfg.AddTo(flag.CommandLine)
	verbose := flag.Bool("verbose", false, "log failed logins too")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *showVersion {
		fmt.Println("gateway", version.Version)
		return
	}
	err := cfg.Check()
	if flag.NArg() > 0 {
		err = errors.New("unexpected argument: the gateway accepts only flags")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gateway: %v: see gateway --help\n", err)
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
	// After the first signal, a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	if err := gateway.Run(ctx, cfg, log); err != nil {
		log.Error("gateway failed", "error", err)
		os.Exit(1)
	}
}
