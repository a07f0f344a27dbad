package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/node"
)

func gpuCommand(env *environment) *cobra.Command {
	var count int
	var resource string
	command := &cobra.Command{
		Use:   "gpu",
		Short: "Give the node GPUs that exist in its status only, so pods that request them are scheduled",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count < 0 {
				return fmt.Errorf("a node cannot have %d GPUs", count)
			}
			client, _, err := node.Connect(cmd.Context(), env.cluster)
			if err != nil {
				return err
			}
			// The kubelet keeps extended resources that it does not know.
			amount := map[string]any{resource: strconv.Itoa(count)}
			status := map[string]any{"status": map[string]any{"capacity": amount, "allocatable": amount}}
			if err := client.Patch(cmd.Context(), "/api/v1/nodes/"+env.cluster.Name+"/status", status); err != nil {
				return fmt.Errorf("change the node's capacity: %w", err)
			}
			env.reporter.Say("Node %s now has %d of %s", env.cluster.Name, count, resource)
			return nil
		},
	}
	command.Flags().IntVar(&count, "count", 1, "how many")
	command.Flags().StringVar(&resource, "resource", "nvidia.com/gpu", "which extended resource")
	return command
}
