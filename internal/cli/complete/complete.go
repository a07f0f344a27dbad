// Package complete completes the arguments and flags of commands with names from
// the cluster. If that fails it proposes nothing, because a shell cannot show why.
package complete

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/printable"
)

// patience is how long the shell waits for a cluster that may be unreachable.
const patience = 3 * time.Second

// DevServers proposes the DevServers of the namespace for the first argument.
func DevServers(flags *cluster.Flags) cobra.CompletionFunc {
	return First(names(flags, &devserverv1.DevServerList{}, describeDevServer))
}

// EachDevServer proposes the DevServers of the namespace for every argument,
// except those that are arguments already.
func EachDevServer(flags *cluster.Flags) cobra.CompletionFunc {
	propose := names(flags, &devserverv1.DevServerList{}, describeDevServer)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		proposals, directive := propose(cmd, args, begun)
		return slices.DeleteFunc(proposals, func(p cobra.Completion) bool {
			name, _, _ := strings.Cut(p, "\t")
			return slices.Contains(args, name)
		}), directive
	}
}

// Volumes proposes the PersistentVolumeClaims of the namespace. The user adds
// where to mount them.
func Volumes(flags *cluster.Flags) cobra.CompletionFunc {
	propose := Claims(flags)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		proposals, directive := propose(cmd, args, begun)
		for i := range proposals {
			name, _, _ := strings.Cut(proposals[i], "\t")
			proposals[i] = name + ":/"
		}
		return proposals, directive | cobra.ShellCompDirectiveNoSpace
	}
}

// Flavors proposes the cluster's flavors.
func Flavors(flags *cluster.Flags) cobra.CompletionFunc {
	return names(flags, &devserverv1.DevServerFlavorList{}, nil)
}

// Contexts proposes the contexts of the kubeconfig.
func Contexts(flags *cluster.Flags) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		contexts, _ := flags.Contexts()
		return typeable(contexts), cobra.ShellCompDirectiveNoFileComp
	}
}

// Namespaces proposes the namespaces of the cluster, or those in the kubeconfig if
// the user may not list them.
func Namespaces(flags *cluster.Flags) cobra.CompletionFunc {
	ofCluster := names(flags, &corev1.NamespaceList{}, nil)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		found, directive := ofCluster(cmd, args, begun)
		if len(found) == 0 {
			_, found = flags.Contexts()
		}
		return typeable(found), directive
	}
}

// Users proposes DevServerUsers. Their names usually are the usernames.
func Users(flags *cluster.Flags) cobra.CompletionFunc {
	return First(names(flags, &devserverv1.DevServerUserList{}, nil))
}

// Claims proposes the PersistentVolumeClaims of the namespace.
func Claims(flags *cluster.Flags) cobra.CompletionFunc {
	return names(flags, &corev1.PersistentVolumeClaimList{}, nil)
}

// describeDevServer is the text that a shell shows beside the name.
func describeDevServer(object client.Object) (phase string, ok bool) {
	ds, ok := object.(*devserverv1.DevServer)
	if !ok {
		return "", false
	}
	return string(ds.Status.Phase), true
}

// First proposes for the first argument only.
func First(propose cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return propose(cmd, args, begun)
	}
}

// names proposes the names of the objects in a list of that kind. describe, if not nil,
// returns the text beside a name, and whether to propose it.
func names(flags *cluster.Flags, kind client.ObjectList, describe func(client.Object) (text string, ok bool)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) (proposals []cobra.Completion, _ cobra.ShellCompDirective) {
		to, err := flags.Connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(contextOf(cmd), patience)
		defer cancel()
		list, ok := kind.DeepCopyObject().(client.ObjectList)
		// Kinds without a namespace ignore it.
		if !ok || to.Client.List(ctx, list, client.InNamespace(to.Namespace)) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			if object, ok := item.(client.Object); ok {
				text, ok := "", true
				if describe != nil {
					text, ok = describe(object)
				}
				if ok {
					proposals = append(proposals, cobra.CompletionWithDesc(object.GetName(), printable.Line(text, 0)))
				}
			}
			return nil
		})
		return typeable(proposals), cobra.ShellCompDirectiveNoFileComp
	}
}

// typeable leaves out names that a user could not type, because a shell would act on the
// proposal: no object of a cluster should have one.
func typeable(proposals []cobra.Completion) []cobra.Completion {
	return slices.DeleteFunc(proposals, func(p cobra.Completion) bool {
		name, _, _ := strings.Cut(p, "\t")
		return printable.Line(name, 0) != name
	})
}

// contextOf is the command's context, which cobra does not set for completion.
func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

// Paths proposes NAME: for paths in a DevServer, and leaves files on this machine
// to the shell.
func Paths(flags *cluster.Flags) cobra.CompletionFunc {
	servers := names(flags, &devserverv1.DevServerList{}, describeDevServer)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if strings.ContainsAny(begun, "/.:~") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		proposals, _ := servers(cmd, args, begun)
		for i, proposal := range proposals {
			name, text, _ := strings.Cut(proposal, "\t")
			proposals[i] = cobra.CompletionWithDesc(name+":", text)
		}
		return proposals, cobra.ShellCompDirectiveNoSpace
	}
}
