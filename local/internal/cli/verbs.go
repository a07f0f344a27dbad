package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/binary"
	"devserver.io/devserver/local/internal/debian"
	"devserver.io/devserver/local/internal/image"
	"devserver.io/devserver/local/internal/node"
	"devserver.io/devserver/local/internal/part"
)

func downCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the cluster and everything in it; programs and images stay in the cache",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			existed := env.cluster.Exists()
			step := env.reporter.Start("remove cluster " + env.cluster.Name)
			err := node.Down(cmd.Context(), env.cluster)
			step.End(err)
			if err != nil {
				return fmt.Errorf("take cluster %s down: %w", env.cluster.Name, err)
			}
			if existed {
				env.reporter.Say("Cluster %s is down", env.cluster.Name)
			} else {
				env.reporter.Say("Cluster %s does not exist", env.cluster.Name)
			}
			return nil
		},
	}
}

func kubeconfigCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the administrator's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(env.cluster.Kubeconfig()); err != nil {
				return fmt.Errorf("cluster %q does not exist: `local up` creates it", env.cluster.Name)
			}
			fmt.Fprintln(cmd.OutOrStdout(), env.cluster.Kubeconfig())
			return nil
		},
	}
}

func loadCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "load ARCHIVE...",
		Short: "Load images into the cluster from archives (docker save, or OCI layouts in tar files)",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			binaries, err := env.connected(cmd.Context())
			if err != nil {
				return err
			}
			for _, archive := range args {
				step := env.reporter.Start("load " + archive)
				err := image.Node{Socket: part.ContainerdSocket(env.cluster), Ctr: filepath.Join(binaries, "ctr")}.Import(cmd.Context(), archive)
				step.End(err)
				if err != nil {
					return fmt.Errorf("load %s: %w", archive, err)
				}
				env.reporter.Say("Loaded %s", archive)
			}
			return nil
		},
	}
}

// connected checks that the cluster is running, and returns the folder of programs.
func (e *environment) connected(ctx context.Context) (binaries string, err error) {
	if err := needRoot(); err != nil {
		return "", err
	}
	if _, _, err := node.Connect(ctx, e.cluster); err != nil {
		return "", err
	}
	return e.binaries().Ensure(ctx, binary.Targets)
}

func statusCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show which parts run, and where their logs are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, plan, err := node.Connect(cmd.Context(), env.cluster)
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "PART\tPROCESS\tLOG")
			for _, p := range node.Status(env.cluster) {
				state := "not running"
				if p.Pid != 0 {
					state = fmt.Sprint(p.Pid)
				}
				fmt.Fprintf(table, "%s\t%s\t%s\n", p.Name, state, p.Log)
			}
			if err := errors.Join(table.Flush(), err); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nNode address %s, pods %s, kubeconfig %s\n", plan.Node, plan.Pods, env.cluster.Kubeconfig())
			return nil
		},
	}
}

func binariesCommand(env *environment) *cobra.Command {
	var only []string
	command := &cobra.Command{
		Use:   "binaries",
		Short: "Print the folder with etcd, kube-apiserver, kubectl, helm and the other programs; build those that are missing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			targets, err := binary.Select(only)
			if err != nil {
				return err
			}
			if os.Geteuid() == 0 {
				if err := env.packages(cmd.Context(), debian.Build...); err != nil {
					return err
				}
			}
			dir, err := env.binaries().Ensure(cmd.Context(), targets)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), dir)
			return nil
		},
	}
	command.Flags().StringSliceVar(&only, "only", nil, "only these programs, such as kube-apiserver,etcd,kubectl")
	return command
}
