// Gateway is the one SSH jump host to all DevServers of a cluster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"devserver.io/devserver/internal/gateway"
	"devserver.io/devserver/internal/version"
)

const (
	// garbage is how much may gather before it is collected, in per cent of
	// what is in use, where GOGC does not say. With ten thousand connections
	// open, Go's own 100 takes a fifth more memory.
	garbage = 50
	// ballast counts as in use, and takes no memory, because nobody touches
	// it. Without it a gateway with few connections, which has next to nothing
	// in use, would do little else than collect while one of them moves much.
	ballast = 64 << 20
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
		defer runtime.KeepAlive(make([]byte, ballast))
	}
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
		err = errors.New("arguments are not taken")
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
	// From the first signal on, the next one has its usual, immediate effect.
	context.AfterFunc(ctx, stop)
	if err := gateway.Run(ctx, cfg, log); err != nil {
		log.Error("gateway failed", "error", err)
		os.Exit(1)
	}
}
