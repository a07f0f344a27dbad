package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"

	"devserver.io/devserver/test/bench/plane"
	"devserver.io/devserver/test/bench/standin"
)

// standInName as the first argument makes this program the stand-in for the nodes. It runs in
// a separate process so that its CPU time is counted separately.
const standInName = "stand-in"

// podsPerNode is slightly below the default limit of a kubelet.
const podsPerNode = 100

func startStandIn(p *plane.Plane, o options) (*plane.Process, error) {
	kubeconfig, err := p.Kubeconfig("bench-nodes", "system:masters")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return plane.Run(filepath.Join(p.Dir, "stand-in.log"), []string{"KUBECONFIG=" + kubeconfig}, self, standInName,
		fmt.Sprintf("-nodes=%d", o.servers/podsPerNode+1), fmt.Sprintf("-steps=%t", o.kubelet), fmt.Sprintf("-agents=%t", o.agents))
}

func runStandIn(ctx context.Context, args []string) error {
	var c standin.Config
	flags := flag.NewFlagSet(standInName, flag.ExitOnError)
	flags.IntVar(&c.Nodes, "nodes", 1, "number of nodes to play")
	flags.BoolVar(&c.Steps, "steps", false, "write every status that a kubelet reports")
	flags.BoolVar(&c.Agents, "agents", false, "answer for the pods' agents")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	return standin.Run(ctx, config, c)
}
