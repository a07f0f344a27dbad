// Command bench measures what DevServer promises in numbers, on the cluster
// that KUBECONFIG names, and prints a table. Nothing in it is estimated: a
// number that could not be measured is missing and the reason stands there.
//
//	bench [flags] [start] [agent] [up]
//
// Without a target all are measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"devserver.io/devserver/test/cluster"
)

type options struct {
	boxes    int
	image    string
	audit    string
	operator string
	up       string
	out      string
}

// target is one thing to measure.
type target struct {
	name    string
	measure func(context.Context, options, *report) error
}

var targets = []target{
	{"start", measureStart},
	{"agent", measureAgent},
	{"up", measureUp},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.IntVar(&o.boxes, "n", 20, "boxes that are started one after the other")
	flags.StringVar(&o.image, "image", "devserver.io/box:0.1.0", "image of the bare pods, which has to be on the node")
	flags.StringVar(&o.audit, "audit", auditLog(), "audit log of the API server")
	flags.StringVar(&o.operator, "operator", "system:serviceaccount:devserver-system:devserver-operator", "user name of the operator in the audit log")
	flags.StringVar(&o.up, "local", filepath.Join(cluster.Root(), "bin", "local"), "the local cluster's command, for the target up")
	flags.StringVar(&o.out, "out", "", "file for the results in JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen := flags.Args()
	for _, name := range chosen {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.name == name }) {
			return fmt.Errorf("there is no target %q", name)
		}
	}
	r := newReport()
	var failed error
	for _, t := range targets {
		if len(chosen) > 0 && !slices.Contains(chosen, t.name) {
			continue
		}
		if err := t.measure(ctx, o, r); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", t.name, err))
		}
	}
	r.print(os.Stdout)
	if o.out != "" {
		failed = errors.Join(failed, r.write(o.out))
	}
	return failed
}

// auditLog is where the local cluster keeps it, beside its kubeconfig.
func auditLog() string {
	return filepath.Join(filepath.Dir(os.Getenv("KUBECONFIG")), "log", "audit.log")
}
