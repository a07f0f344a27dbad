package node

import (
	"context"
	"fmt"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/network"
	"devserver.io/devserver/local/internal/part"
	"devserver.io/devserver/local/internal/progress"
)

// PrepareJoin creates everything that a further node of the cluster home requires
// before its parts start. Its addresses are those of a cluster of its name, except
// for the Services, which are home's.
func PrepareJoin(ctx context.Context, c, home cluster.Cluster, taints []part.Taint, binaries string, r *progress.Reporter) (*Node, error) {
	if further, joined := home.Home(); joined {
		return nil, fmt.Errorf("%s is a node of cluster %s: join that cluster", home.Name, further.Name)
	}
	if was, joined := c.Home(); joined && was != home {
		return nil, fmt.Errorf("%s is already a node of cluster %s: `local down` removes it", c.Name, was.Name)
	} else if !joined && c.Ran() {
		return nil, fmt.Errorf("%s is a cluster of its own: choose another name for the node", c.Name)
	}
	client, homePlan, err := Connect(ctx, home)
	if err != nil {
		return nil, err
	}
	if err := c.Join(home); err != nil {
		return nil, err
	}
	n, err := ground(ctx, c, r)
	if err != nil {
		return nil, err
	}
	n.Client, n.Plan.Services, n.taints = client, homePlan.Services, taints
	if err := network.Connect(ctx, home, c, homePlan, n.Plan); err != nil {
		return nil, fmt.Errorf("connect the node with cluster %s: %w", home.Name, err)
	}
	if err := layout(c, n.Plan).Join(layout(home, homePlan)); err != nil {
		return nil, fmt.Errorf("create certificates: %w", err)
	}
	return n, n.configure(binaries, part.NodeNames)
}

// Join starts the parts of a further node and waits until pods can run there.
func (n *Node) Join(ctx context.Context, load func(context.Context) error) error {
	if err := n.start(ctx, "containerd"); err != nil {
		return err
	}
	return n.besideLoading(ctx, load, func(ctx context.Context) error {
		// A kubelet without a Node object exits.
		if err := n.poll(ctx, func() error { return listens(ctx, part.ContainerdSocket(n.Cluster)) }); err != nil {
			return err
		}
		if err := n.start(ctx, part.NodeNames...); err != nil {
			return err
		}
		return n.wait(ctx, "node", n.nodeReady, "kubelet", "containerd")
	})
}
