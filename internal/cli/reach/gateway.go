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
	"devserver.io/devserver/internal/exit"
)

// gatewayOf is the cluster's gateway, if it has one whose host key is known.
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

// GatewayAnswers tells whether the cluster has a gateway that is reachable from
// here.
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
		return "", fmt.Errorf("going through the gateway to DevServer %s: its host key in the status cannot be decoded: %w", ds.Name, err)
	}
	return knownhosts.Line([]string{gatewayAddress(g)}, key) + "\n", nil
}

func noGateway(ds *devserverv1.DevServer) error {
	return exit.With(exit.Refused, fmt.Errorf("DevServer %s cannot be reached through a gateway: its status has none: connect without --via=%s", ds.Name, Gateway))
}

// GatewayCommand is the command line by which OpenSSH, and what uses it, connects
// to a server through the cluster's gateway, which wakes the server. It requires
// neither this program nor a kubeconfig. The file knownHosts must have the line
// KnownGateway. The gateway ignores the name of the user.
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

// proxyLine is a command line as the value of ProxyCommand.
func proxyLine(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = ShellQuote(word)
	}
	return strings.ReplaceAll(strings.Join(quoted, " "), "%", "%%")
}
