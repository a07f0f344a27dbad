package reach

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
)

// Ways to connect to a server, the values of --via.
const (
	// Auto is Direct if the server's port answers, else API.
	Auto = "auto"
	// Direct connects to the address in the status.
	Direct = "direct"
	// Gateway goes through the cluster's gateway, with ssh alone.
	Gateway = "gateway"
	// API goes through the API server, which devctl can always reach.
	API = "api"
)

var ways = []string{Auto, Direct, Gateway, API}

// Options say how to connect to a server.
type Options struct {
	// Start also starts a server that its owner suspended, or that has expired. One
	// that is suspended by its idle timeout or schedule is woken in any case.
	Start   bool
	Timeout time.Duration
	Via     string
	// Identity is a file with a private key, for programs to which the user cannot
	// pass flags.
	Identity string
	// Terminal is set if there is a terminal, on which the user can be asked.
	Terminal bool
}

// AddTo makes the flags known to a command.
func (o *Options) AddTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&o.Start, "start", false, "also start a suspended or expired server, without asking")
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "how long to wait until the server is running")
	AddVia(cmd, &o.Via)
}

// AddIdentity makes the flag for a key known to a command.
func (o *Options) AddIdentity(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.Identity, "identity", "i", "", "`file` with the private key to log in with (default: as ssh does)")
}

// AddVia makes --via alone known to a command.
func AddVia(cmd *cobra.Command, via *string) {
	cmd.Flags().StringVar(via, "via", Auto, "how to connect: direct, gateway, api (through the API server) or auto")
	_ = cmd.RegisterFlagCompletionFunc("via", cobra.FixedCompletions(ways, cobra.ShellCompDirectiveNoFileComp))
}

// CheckVia returns an error for a wrong --via.
func CheckVia(via string) error {
	if slices.Contains(ways, via) {
		return nil
	}
	return exit.With(exit.Usage, fmt.Errorf("--via %q is not one of %v", via, ways))
}

// Check returns an error for wrong flags.
func (o *Options) Check() error {
	if err := CheckVia(o.Via); err != nil {
		return err
	}
	if o.Timeout <= 0 {
		return exit.With(exit.Usage, errors.New("--timeout must be longer than 0, for example 5m"))
	}
	return nil
}

// Complete adapts the options to the streams of the command, and checks them.
func (o *Options) Complete(streams genericiooptions.IOStreams) error {
	o.Terminal = wait.OnTerminal(streams)
	return o.Check()
}
