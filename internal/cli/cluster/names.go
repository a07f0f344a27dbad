package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/suggest"
	"devserver.io/devserver/internal/exit"
)

// HostSuffix ends the names that DevServers have in OpenSSH's configuration. It
// is no DNS domain; it keeps them apart from names that are in DNS.
const HostSuffix = ".devserver"

// UseNames reads the words with which a user names DevServers: NAME,
// NAME.NAMESPACE, or NAME.NAMESPACE.devserver as in OpenSSH's configuration, each
// of them also behind USER@. A namespace that they contain becomes that of the
// command, as with -n, so all words must mean the same one. It returns the words
// without namespaces.
func (f *Flags) UseNames(words ...string) ([]string, error) {
	names, namespaces := make([]string, len(words)), make([]string, len(words))
	dotted := false
	for i, word := range words {
		host := strings.LastIndexByte(word, '@') + 1
		// The name of a DevServer cannot contain a dot: the API server refuses it.
		name, namespace, _ := strings.Cut(strings.TrimSuffix(word[host:], HostSuffix), ".")
		names[i], namespaces[i] = word[:host]+name, namespace
		if name == "" {
			return nil, fmt.Errorf("%q is not the name of a DevServer: give NAME or NAME.NAMESPACE", word)
		}
		dotted = dotted || namespace != ""
		if namespace != "" && f.namespace != "" && namespace != f.namespace {
			return nil, fmt.Errorf("%s is in namespace %s, but -n says %s: leave one of them out", name, namespace, f.namespace)
		}
	}
	if !dotted || f.namespace != "" {
		return names, nil
	}
	usual, _, err := f.loader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	for i := range namespaces {
		namespaces[i] = cmp.Or(namespaces[i], usual)
		if namespaces[i] != namespaces[0] {
			return nil, fmt.Errorf("%s is in namespace %s and %s is in namespace %s: run the command once for each namespace", names[0], namespaces[0], names[i], namespaces[i])
		}
	}
	f.namespace = namespaces[0]
	return names, nil
}

// missing is the error for a DevServer that does not exist. It suggests similar
// names in the namespace, if the user may list them.
func missing(ctx context.Context, c client.Reader, namespace, name string) error {
	text := fmt.Sprintf("DevServer %q does not exist in namespace %s", name, namespace)
	var list devserverv1.DevServerList
	if c.List(ctx, &list, client.InNamespace(namespace)) == nil {
		names := make([]string, len(list.Items))
		for i := range list.Items {
			names[i] = list.Items[i].Name
		}
		switch similar := suggest.Similar(name, names); {
		case similar != "":
			text += ". Did you mean " + similar + "?"
		case len(names) > 0:
			text += ": to see those that do: devctl list -n " + namespace
		default:
			text += ", which has no DevServers: name another namespace with -n"
		}
	}
	return exit.With(exit.NotFound, fmt.Errorf("%s", text))
}

// isMissingObject tells whether an object does not exist, of a kind that does.
func isMissingObject(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return apierrors.IsNotFound(err) && ok && !isMissingAPI(status.Status())
}
