// Package version is the command devctl version.
package version

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/version"
)

// patience is how long the cluster may take to answer.
const patience = 3 * time.Second

// versions are what is printed. Those that are not known are empty, and Unknown
// is the reason.
type versions struct {
	Client     string `json:"client"`
	Kubernetes string `json:"kubernetes,omitempty"`
	Operator   string `json:"operator,omitempty"`
	Unknown    string `json:"unknown,omitempty"`
}

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var format output.Flags
	var clientOnly bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of devctl, Kubernetes and the operator",
		Long: `Print the versions of devctl, Kubernetes and the operator. It succeeds even if
the cluster does not answer.`,
		Example: `  devctl version

  # Without a request to a cluster
  devctl version --client`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.Check(); err != nil {
				return err
			}
			v := versions{Client: version.Version}
			if !clientOnly {
				ctx, cancel := context.WithTimeout(cmd.Context(), patience)
				defer cancel()
				v.ask(ctx, flags)
			}
			if !format.ForPeople() {
				return format.PrintValue(v, streams.Out)
			}
			return v.print(streams)
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "print only the version of devctl")
	format.AddTo(cmd, output.Table, output.JSON, output.YAML)
	return cmd
}

func (v *versions) ask(ctx context.Context, flags *cluster.Flags) {
	to, err := flags.Connect()
	if err != nil {
		v.Unknown = err.Error()
		return
	}
	about, err := cluster.Ask(ctx, to.Config)
	if err != nil {
		v.Unknown = err.Error()
		return
	}
	v.Kubernetes = about.Version
	operators, hidden, err := cluster.Operators(ctx, to.Client)
	switch {
	case err != nil:
		v.Unknown = err.Error()
	case hidden:
		v.Unknown = "only admins can see the operator"
	case len(operators) == 0:
		v.Unknown = "the cluster has no operator"
	default:
		v.Operator = operators[0].Version
	}
}

func (v *versions) print(streams genericiooptions.IOStreams) error {
	if v.Unknown != "" {
		output.Println(streams.ErrOut, "Incomplete:", v.Unknown)
	}
	_, err := output.Println(streams.Out, "devctl", v.Client)
	if v.Kubernetes == "" || err != nil {
		return err
	}
	_, err = output.Printf(streams.Out, "kubernetes %s\noperator %s\n", v.Kubernetes, cmp.Or(v.Operator, "unknown"))
	return err
}
