package ssh

import (
	"context"
	"slices"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
)

// sshFlagsWithValue are the flags of ssh(1) that take a value.
const sshFlagsWithValue = "BbcDEeFIiJLlmOoPpQRSWw"

// ownFlag returns the first flag after the name that is one of devctl. ssh has
// another -n, and would run the namespace as a command.
func ownFlag(args []string) (string, bool) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--" || len(arg) < 2 || arg[0] != '-':
			return "", false // The command begins here.
		case strings.HasPrefix(arg, "--"), strings.HasPrefix(arg, "-n"):
			return arg, true
		case strings.ContainsRune(sshFlagsWithValue, rune(arg[len(arg)-1])) && !strings.ContainsAny(arg[1:len(arg)-1], sshFlagsWithValue):
			i++ // Skip its value.
		}
	}
	return "", false
}

// Prepare waits until the server is running, and returns the ssh command line for
// it. rest has the user's flags for ssh and the command.
func Prepare(ctx context.Context, to *cluster.Cluster, t reach.Target, o reach.Options, rest []string, streams genericiooptions.IOStreams) ([]string, error) {
	ds, err := reach.Running(ctx, to.Client, t, o, streams)
	if err != nil {
		return nil, err
	}
	options, err := reach.OpenSSH(ctx, to, ds, o)
	if err != nil {
		return nil, err
	}
	// With USER@ before it, a host cannot be mistaken for a flag.
	return slices.Concat([]string{"ssh"}, options, []string{t.User + "@" + reach.Host(ds)}, rest), nil
}
