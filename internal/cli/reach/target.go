// Package reach brings a command to a box, whatever state and network it is in:
// it wakes the box and waits for it, finds out how it can be connected to, and
// says all of that to the stock OpenSSH programs in their own options. How a
// host key is checked is the same on every way.
package reach

import (
	"cmp"
	"strings"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// domain ends the names by which OpenSSH's configuration knows boxes. It is no
// domain of the DNS; it keeps them apart from what is.
const domain = ".devserver"

// Target is a box, and who logs in to it.
type Target struct{ User, Namespace, Name string }

// Parse reads what people and ssh call a box: [USER@]NAME, with the namespace
// if it is not the usual one: NAME.NAMESPACE, or as in ssh's configuration,
// NAME.NAMESPACE.devserver.
func Parse(word, namespace string) Target {
	t := Target{User: agentapi.User, Namespace: namespace}
	if user, rest, ok := strings.Cut(word, "@"); ok {
		t.User, word = cmp.Or(user, agentapi.User), rest
	}
	// A DevServer's name has no dots.
	name, rest, _ := strings.Cut(strings.TrimSuffix(word, domain), ".")
	t.Name, t.Namespace = name, cmp.Or(rest, namespace)
	return t
}

// Host is the name by which OpenSSH's configuration knows a box.
func Host(ds *devserverv1.DevServer) string { return Alias(ds) + domain }

// Alias is the name by which OpenSSH knows the box's host key.
func Alias(ds *devserverv1.DevServer) string { return objects.HostKeyAlias(ds.Namespace, ds.Name) }
