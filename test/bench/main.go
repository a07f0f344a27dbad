// Command bench measures the speed and resource use of DevServer on the cluster that
// KUBECONFIG names, and prints a table. Every number is measured. If a number cannot be
// measured, it is missing, and the reason is printed.
//
//	bench [flags] [start] [agent] [up] [scale] [gateway]
//
// Without a target, all are measured. The targets scale and gateway do not use the
// cluster: they start a control plane as far as they need one.
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
	"time"

	"devserver.io/devserver/test/bench/jump"
	"devserver.io/devserver/test/cluster"
)

type options struct {
	servers  int // 0: as many as the target needs
	image    string
	audit    string
	operator string
	up       string
	json     string

	bare        bool
	noNodePorts bool
	kubelet     bool
	agents      bool
	idle        time.Duration
	assets      string
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
	{"scale", measureScale},
	{"gateway", measureGateway},
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
	if len(args) > 0 {
		switch args[0] {
		case standInName:
			return runStandIn(ctx, args[1:])
		case islandName:
			return runOnIsland(ctx, args[1:])
		case serversName:
			return jump.ServeServers(ctx)
		case greedyName:
			return runGreedy(args[1:])
		}
	}
	o, chosen, err := parse(args)
	if err != nil {
		return err
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
	r.LoadAfter = load()
	r.print(os.Stdout)
	if o.json != "" {
		failed = errors.Join(failed, r.write(o.json))
	}
	return failed
}

// parse reads flags and targets, in any order.
func parse(args []string) (options, []string, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.IntVar(&o.servers, "n", 0, "number of servers; for start, one after the other (default 20); for scale, at once (default 1000); for gateway, number of idle connections (default 10,000)")
	flags.StringVar(&o.image, "image", "devserver.io/server:0.1.0", "start: image of the bare pods, which must be on the node")
	flags.StringVar(&o.audit, "audit", auditLog(), "start: audit log of the API server")
	flags.StringVar(&o.operator, "operator", operatorUser, "start: user name of the operator in the audit log")
	flags.StringVar(&o.up, "local", filepath.Join(cluster.Root(), "bin", "local"), "up: the command that runs the local cluster")
	flags.BoolVar(&o.bare, "bare", false, "scale: instead of the operator, run a plain loop that applies the same objects, to measure the control plane alone")
	flags.BoolVar(&o.noNodePorts, "no-node-ports", false, "scale: use SSH Services of type ClusterIP, because a cluster has only 2,768 node ports")
	flags.BoolVar(&o.kubelet, "kubelet-steps", false, "scale: write every status that a kubelet reports while a pod starts, not only the last one")
	flags.BoolVar(&o.agents, "agents", false, "scale: measure polls: use servers with an idle timeout, and agents that answer the operator")
	flags.DurationVar(&o.idle, "idle", 30*time.Second, "scale, gateway: how long to measure while idle")
	flags.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "scale: `folder` with etcd, kube-apiserver, kube-controller-manager and helm")
	flags.StringVar(&o.json, "json", "", "`file` for the results in JSON")
	var chosen []string
	for {
		if err := flags.Parse(args); err != nil {
			return o, nil, err
		}
		if flags.NArg() == 0 {
			return o, chosen, nil
		}
		name := flags.Arg(0)
		if !slices.ContainsFunc(targets, func(t target) bool { return t.name == name }) {
			return o, nil, fmt.Errorf("unknown target %q", name)
		}
		chosen, args = append(chosen, name), flags.Args()[1:]
	}
}

// auditLog returns the path of the local cluster's audit log, which is next to its
// kubeconfig.
func auditLog() string {
	return filepath.Join(filepath.Dir(os.Getenv("KUBECONFIG")), "log", "audit.log")
}
