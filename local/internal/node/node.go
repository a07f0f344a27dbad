// Package node starts and removes the one node of a cluster. Up starts the parts that
// do not run and does not touch the others. Down requires only the cluster's name.
package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"devserver.io/devserver/local/internal/cgroup"
	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/disk"
	"devserver.io/devserver/local/internal/kube"
	"devserver.io/devserver/local/internal/namespace"
	"devserver.io/devserver/local/internal/network"
	"devserver.io/devserver/local/internal/part"
	"devserver.io/devserver/local/internal/pki"
	"devserver.io/devserver/local/internal/process"
	"devserver.io/devserver/local/internal/progress"
)

// Node is a cluster's node while it starts.
type Node struct {
	Cluster  cluster.Cluster
	Plan     network.Plan
	Client   *kube.Client
	reporter *progress.Reporter
	group    cgroup.Group
	specs    map[string]process.Spec // by the names of the parts
	// taints are those that the node registers with.
	taints []part.Taint
	// ended receives the failure of a part that ends while this command runs.
	ended chan error
	// born is when this command started the kubelet, or zero.
	born time.Time
}

// Prepare creates everything that the parts require before they start: addresses,
// namespaces, control groups, certificates and configuration. It starts nothing.
func Prepare(ctx context.Context, c cluster.Cluster, binaries string, r *progress.Reporter) (*Node, error) {
	if home, joined := c.Home(); joined {
		return nil, fmt.Errorf("%s is a node of cluster %s: `local join %[2]s` repairs it, `local down` removes it", c.Name, home.Name)
	}
	if err := os.MkdirAll(c.State("volumes"), 0o711); err != nil {
		return nil, fmt.Errorf("create the folder for volumes: %w", err)
	}
	if err := disk.New(part.Disks(c)).AttachAll(); err != nil {
		return nil, err
	}
	n, err := ground(ctx, c, r)
	if err != nil {
		return nil, err
	}
	if err := layout(c, n.Plan).Ensure(c.Kubeconfig()); err != nil {
		return nil, fmt.Errorf("create certificates: %w", err)
	}
	if n.Client, err = kube.New(c.State("pki"), n.Plan.Node); err != nil {
		return nil, err
	}
	return n, n.configure(binaries, part.Names)
}

// ground creates what every node requires: folders, addresses, namespaces and control
// groups.
func ground(ctx context.Context, c cluster.Cluster, r *progress.Reporter) (*Node, error) {
	if err := errors.Join(os.MkdirAll(c.State("log"), 0o711), os.MkdirAll(c.Run("s"), 0o711)); err != nil {
		return nil, fmt.Errorf("create the cluster's folders: %w", err)
	}
	plan, err := network.Choose(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := network.Ensure(ctx, c, plan); err != nil {
		return nil, fmt.Errorf("create the node's network: %w", err)
	}
	if err := namespace.Ensure(c); err != nil {
		return nil, err
	}
	if err := namespace.Enter(c, network.Namespace(c), network.Settings); err != nil {
		return nil, err
	}
	group, err := cgroup.Open(c.Scope())
	if err != nil {
		return nil, err
	}
	return &Node{Cluster: c, Plan: plan, reporter: r, group: group}, group.Ensure()
}

// configure writes the configuration of the node's parts.
func (n *Node) configure(binaries string, parts []string) (err error) {
	n.specs, err = part.Specs(part.Setting{Cluster: n.Cluster, Plan: n.Plan, Binaries: binaries, CgroupRoot: n.group.Path(), Taints: n.taints}, parts)
	n.ended = make(chan error, len(n.specs))
	return err
}

func layout(c cluster.Cluster, plan network.Plan) pki.Layout {
	return pki.Layout{Dir: c.State("pki"), NodeName: c.Name, Node: plan.Node, API: plan.API()}
}

// start starts those of the named parts that do not run with their current configuration.
func (n *Node) start(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := n.startOne(ctx, n.specs[name]); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) startOne(ctx context.Context, spec process.Spec) error {
	running, same := spec.Current()
	if running && same {
		return nil
	}
	if running {
		n.reporter.Say("Restarting %s: its program or settings have changed", spec.Name)
		if err := process.Stop(ctx, spec.PidFile, 20*time.Second); err != nil {
			return fmt.Errorf("stop %s: %w", spec.Name, err)
		}
	}
	if spec.Name == "kubelet" {
		n.born = time.Now()
	}
	var ended <-chan error
	err := namespace.Enter(n.Cluster, network.Namespace(n.Cluster), func() (err error) {
		ended, err = n.launch(spec)
		return err
	})
	if err != nil {
		return err
	}
	go func() {
		err := <-ended
		n.ended <- &deathError{fmt.Errorf("%s ended (%w); its log is %s and ends with:\n%s", spec.Name, err, spec.Log, process.Tail(spec.Log, 10))}
	}()
	return nil
}

// deathError reports a part that ended unexpectedly. It names its log.
type deathError struct{ error }

func (e *deathError) Unwrap() error { return e.error }

// launch runs in a thread of the node's namespaces and starts the part in its control group.
func (n *Node) launch(spec process.Spec) (<-chan error, error) {
	if !n.group.Unified() {
		if err := n.group.JoinThread(); err != nil {
			return nil, fmt.Errorf("enter the node's control group: %w", err)
		}
		return process.Start(spec, nil)
	}
	dir, err := n.group.Node()
	if err != nil {
		return nil, fmt.Errorf("open the node's control group: %w", err)
	}
	defer dir.Close()
	return process.Start(spec, &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())})
}

// Down stops everything of the cluster and removes every trace. It can be interrupted
// at any point and run again.
func Down(ctx context.Context, c cluster.Cluster) error {
	release, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	nodes, err := c.Joined()
	if err != nil {
		return err
	}
	for _, further := range nodes {
		if err := Down(ctx, further); err != nil {
			return fmt.Errorf("remove its node %s: %w", further.Name, err)
		}
	}
	if err := end(ctx, c); err != nil {
		return err
	}
	if err := network.Remove(ctx, c); err != nil {
		return err
	}
	// What is still mounted is removed with its last mount.
	disks := disk.New(part.Disks(c))
	if err := disks.DetachAll(); err != nil {
		return err
	}
	if err := namespace.Remove(c); err != nil {
		return err
	}
	if err := disks.AwaitDetached(ctx); err != nil {
		return err
	}
	// Removing files through a mount would remove the mounted file system's files.
	for _, dir := range []string{c.Run(), c.State()} {
		if err := namespace.UnmountBelow(dir); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	cluster.Prune()
	if names, err := cluster.Names(); err == nil && len(names) == 0 {
		namespace.Prune()
	}
	return nil
}

// end kills all processes of the cluster. The provisioner is stopped first: a volume
// that it has frozen for a copy would keep other processes from exiting.
func end(ctx context.Context, c cluster.Cluster) error {
	if err := process.Stop(ctx, part.PidFile(c, "local-provisioner"), 5*time.Second); err != nil {
		return fmt.Errorf("stop local-provisioner: %w", err)
	}
	if err := namespace.AmongMounts(c, disk.New(part.Disks(c)).Thaw); err != nil {
		return err
	}
	group, err := cgroup.Open(c.Scope())
	if err != nil {
		return err
	}
	if err := group.Remove(ctx); err != nil {
		return fmt.Errorf("kill the cluster's processes: %w", err)
	}
	return nil
}
