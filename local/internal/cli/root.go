package cli

import (
	"os"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/progress"
)

// New returns the command local with all its verbs.
func New() *cobra.Command {
	env := &environment{}
	var name, root string
	var verbose bool
	command := &cobra.Command{
		Use:           "local",
		Short:         "A real one-node Kubernetes on this machine, built from source",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) (err error) {
			if env.cluster, err = cluster.New(name); err != nil {
				return err
			}
			if env.cache, err = cacheDir(); err != nil {
				return err
			}
			if env.root = root; root == "" {
				if env.root, err = findRoot(); err != nil {
					return err
				}
			}
			env.reporter = progress.New(os.Stderr)
			env.reporter.Verbose = verbose
			return nil
		},
		PersistentPostRun: func(*cobra.Command, []string) { env.reporter.Close() },
	}
	flags := command.PersistentFlags()
	flags.StringVar(&name, "cluster", valueOr(os.Getenv("CLUSTER"), "devserver"), "name of the cluster (environment: CLUSTER)")
	flags.StringVar(&root, "root", "", "folder of the checkout (default: the one that contains the working folder)")
	flags.BoolVarP(&verbose, "verbose", "v", false, "also show steps that take no time")
	command.AddCommand(upCommand(env), downCommand(env), joinCommand(env), kubeconfigCommand(env), loadCommand(env), statusCommand(env), binariesCommand(env), imagesCommand(env), installCommand(env), gpuCommand(env))
	return command
}

func valueOr(value, other string) string {
	if value == "" {
		return other
	}
	return value
}
