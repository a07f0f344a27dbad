package reach

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/wait"
)

// Ways to a box, the values of --via.
const (
	// Auto is Direct where the box's port answers, else API.
	Auto = "auto"
	// Direct connects to the address that the status says.
	Direct = "direct"
	// Gateway goes through the cluster's gateway, with ssh alone.
	Gateway = "gateway"
	// API goes through the API server, which is always there.
	API = "api"
)

var ways = []string{Auto, Direct, Gateway, API}

// Options say how to get to a box.
type Options struct {
	// Start is for one that its owner suspended, or whose time is over. One that
	// sleeps for want of work, or by its schedule, is woken without it.
	Start   bool
	Timeout time.Duration
	Via     string
	// Identity is a file with a private key, for programs that get no flags of
	// the user's own.
	Identity string
	// Terminal is set where a person sees what is drawn and can be asked.
	Terminal bool
}

// AddTo makes the flags known to a command.
func (o *Options) AddTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&o.Start, "start", false, "start it also if it is suspended or expired, without asking")
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "how long to wait for one that is not running yet")
	AddVia(cmd, &o.Via)
}

// AddIdentity makes the flag for a key known to a command.
func (o *Options) AddIdentity(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.Identity, "identity", "i", "", "file with the private key to log in with (default: what ssh finds)")
}

// AddVia makes --via alone known to a command.
func AddVia(cmd *cobra.Command, via *string) {
	cmd.Flags().StringVar(via, "via", Auto, "the way to it: its own address (direct), the cluster's gateway (gateway), the API server (api), or what works (auto)")
	_ = cmd.RegisterFlagCompletionFunc("via", cobra.FixedCompletions(ways, cobra.ShellCompDirectiveNoFileComp))
}

// CheckVia says what is wrong with --via.
func CheckVia(via string) error {
	if slices.Contains(ways, via) {
		return nil
	}
	return exit.With(exit.Usage, fmt.Errorf("--via %q is not one of %v", via, ways))
}

// Check says what is wrong with the flags.
func (o *Options) Check() error {
	if err := CheckVia(o.Via); err != nil {
		return err
	}
	if o.Timeout <= 0 {
		return exit.With(exit.Usage, errors.New("--timeout must be longer than nothing, for example 5m"))
	}
	return nil
}

// On makes the options those of a command with these streams.
func (o *Options) On(streams genericiooptions.IOStreams) { o.Terminal = wait.OnTerminal(streams) }
