package node

import (
	"context"
	"fmt"
	"time"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/kube"
	"devserver.io/devserver/local/internal/network"
	"devserver.io/devserver/local/internal/part"
	"devserver.io/devserver/local/internal/process"
)

// PartStatus is one line of a cluster's status.
type PartStatus struct {
	Name string
	// Pid is 0 if the part is not running.
	Pid int
	Log string
}

// Status lists the parts and which of them run.
func Status(c cluster.Cluster) []PartStatus {
	var list []PartStatus
	for _, name := range part.Names {
		status := PartStatus{Name: name, Log: c.Log(name)}
		if record, alive := process.Find(part.PidFile(c, name)); alive {
			status.Pid = record.Pid
		}
		list = append(list, status)
	}
	return list
}

// Connect returns a client for a running cluster.
func Connect(ctx context.Context, c cluster.Cluster) (*kube.Client, network.Plan, error) {
	plan, err := network.Load(c)
	if err != nil {
		return nil, plan, fmt.Errorf("cluster %q does not exist: `local up` creates it", c.Name)
	}
	client, err := kube.New(c.State("pki"), plan.Node)
	if err != nil {
		return nil, plan, fmt.Errorf("cluster %q is incomplete (`local up` repairs it): %w", c.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := client.Ready(ctx); err != nil {
		return nil, plan, fmt.Errorf("cluster %q does not respond (`local up` repairs it): %w", c.Name, err)
	}
	return client, plan, nil
}
