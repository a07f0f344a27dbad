package cli

import (
	"context"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/binary"
	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/node"
	"devserver.io/devserver/local/internal/part"
)

func joinCommand(env *environment) *cobra.Command {
	var taints []string
	command := &cobra.Command{
		Use:   "join CLUSTER",
		Short: "Add a node to another cluster of this machine; down with the node's name removes it like a failed machine",
		Long: `Add a node to another cluster of this machine. --cluster is the node's name:

  local join devserver --cluster=devserver-2

"local down --cluster=devserver-2" stops the node without telling the cluster, like a machine that loses power. Its
Node object stays until you delete it. The volumes of the StorageClasses are on the first node, so use --taint to keep
pods that need them off this node.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			home, err := cluster.New(args[0])
			if err != nil {
				return err
			}
			var parsed []part.Taint
			for _, text := range taints {
				taint, err := part.ParseTaint(text)
				if err != nil {
					return err
				}
				parsed = append(parsed, taint)
			}
			return env.join(cmd.Context(), home, parsed)
		},
	}
	command.Flags().StringSliceVar(&taints, "taint", nil, "register the node with this taint, such as example.com/mine=yes:NoSchedule")
	return command
}

func (e *environment) join(ctx context.Context, home cluster.Cluster, taints []part.Taint) error {
	if err := needRoot(); err != nil {
		return err
	}
	binaries, err := e.binaries().Ensure(ctx, binary.Targets)
	if err != nil {
		return err
	}
	loads, err := e.build(ctx, nil, false)
	if err != nil {
		return err
	}
	release, err := e.cluster.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	n, err := node.PrepareJoin(ctx, e.cluster, home, taints, binaries, e.reporter)
	if err != nil {
		return err
	}
	if err := n.Join(ctx, func(ctx context.Context) error { return e.load(ctx, binaries, loads) }); err != nil {
		return err
	}
	e.reporter.Say("Node %s is up in cluster %s", e.cluster.Name, home.Name)
	return nil
}
