package reach

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/exit"
)

// gatewayOf is the cluster's gateway, if it has one that can be recognised.
func gatewayOf(ds *devserverv1.DevServer) (*devserverv1.SSHGateway, bool) {
	if ds.Status.SSH == nil || ds.Status.SSH.Gateway == nil {
		return nil, false
	}
	g := ds.Status.SSH.Gateway
	return g, g.Host != "" && g.Port != 0 && g.HostKey != ""
}

func gatewayAddress(g *devserverv1.SSHGateway) string {
	return net.JoinHostPort(g.Host, strconv.Itoa(int(g.Port)))
}

// GatewayAnswers tells whether the cluster has a gateway that can be reached
// from here.
func GatewayAnswers(ctx context.Context, ds *devserverv1.DevServer) bool {
	g, ok := gatewayOf(ds)
	if !ok {
		return false
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", gatewayAddress(g))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// KnownGateway is the line of a known_hosts file for the cluster's gateway.
func KnownGateway(ds *devserverv1.DevServer) (string, error) {
	g, ok := gatewayOf(ds)
	if !ok {
		return "", noGateway(ds)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(g.HostKey))
	if err != nil {
		return "", fmt.Errorf("going through the gateway to DevServer %s: the cluster says a host key that cannot be read: %w", ds.Name, err)
	}
	return knownhosts.Line([]string{gatewayAddress(g)}, key) + "\n", nil
}

func noGateway(ds *devserverv1.DevServer) error {
	return exit.With(exit.Refused, fmt.Errorf("DevServer %s cannot be reached through a gateway: its status names none: leave --via=%s out", ds.Name, Gateway))
}

// GatewayCommand is the command line by which OpenSSH, and what stands on it,
// connects to a box through the cluster's gateway, which wakes the box. It takes
// neither this program nor a kubeconfig. The gateway must have the key that
// KnownGateway says, in that file. The name of the user does not matter there.
func GatewayCommand(ds *devserverv1.DevServer, knownHosts, identity string) (string, error) {
	g, ok := gatewayOf(ds)
	if !ok {
		return "", noGateway(ds)
	}
	words := []string{"ssh", "-W", Alias(ds) + ":22", "-l", "devserver", "-p", strconv.Itoa(int(g.Port))}
	for _, option := range []string{"UserKnownHostsFile=" + Quote(knownHosts), "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "UpdateHostKeys=no"} {
		words = append(words, "-o", option)
	}
	if identity != "" {
		words = append(words, "-o", "IdentityFile="+Quote(identity), "-o", "IdentitiesOnly=yes")
	}
	return proxyLine(append(words, "--", g.Host)), nil
}

// proxyLine is a command line as ProxyCommand takes it.
func proxyLine(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellQuote(word)
	}
	return strings.ReplaceAll(strings.Join(quoted, " "), "%", "%%")
}
