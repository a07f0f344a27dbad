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

// ownFlag returns the first of the flags behind the name that the user meant
// for devctl. ssh would take -n for something else and run the namespace as a
// command.
func ownFlag(args []string) (string, bool) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--" || len(arg) < 2 || arg[0] != '-':
			return "", false // from here on it is the command
		case strings.HasPrefix(arg, "--"), strings.HasPrefix(arg, "-n"):
			return arg, true
		case strings.ContainsRune(sshFlagsWithValue, rune(arg[len(arg)-1])) && !strings.ContainsAny(arg[1:len(arg)-1], sshFlagsWithValue):
			i++ // its value
		}
	}
	return "", false
}

// Prepare waits until one can log in to the box, and returns the ssh command
// line for it, with the flags and the command in rest.
func Prepare(ctx context.Context, to *cluster.Cluster, t reach.Target, o reach.Options, rest []string, streams genericiooptions.IOStreams) ([]string, error) {
	ds, err := reach.Running(ctx, to.Client, t, o, streams)
	if err != nil {
		return nil, err
	}
	options, err := reach.OpenSSH(ctx, to, ds, o)
	if err != nil {
		return nil, err
	}
	// With the user in front, a host can never be taken for a flag.
	return slices.Concat([]string{"ssh"}, options, []string{t.User + "@" + reach.Host(ds)}, rest), nil
}
