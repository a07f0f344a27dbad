// Package reach connects a command to a server, whatever state and network the
// server is in: it wakes the server and waits for it, finds a way to connect to
// it, and passes all of that to the stock OpenSSH programs as their own options.
// Every way checks the host key alike.
package reach

import (
	"cmp"
	"strings"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/objects"
)

// Target is a server, and the user to log in as.
type Target struct{ User, Namespace, Name string }

// Parse reads [USER@]NAME.
func Parse(word, namespace string) Target {
	t := Target{User: agentapi.User, Namespace: namespace, Name: word}
	if user, name, ok := strings.Cut(word, "@"); ok {
		t.User, t.Name = cmp.Or(user, agentapi.User), name
	}
	return t
}

// Host is the name by which OpenSSH's configuration knows a server.
func Host(ds *devserverv1.DevServer) string { return Alias(ds) + cluster.HostSuffix }

// Alias is the name by which OpenSSH knows the server's host key.
func Alias(ds *devserverv1.DevServer) string { return objects.HostKeyAlias(ds.Namespace, ds.Name) }
