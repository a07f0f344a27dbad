package sshconfig

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
)

// host is a box as ssh's configuration knows it. It stands in the file as it is
// here, before the lines that are made from it, so that hosts of other clusters
// and namespaces can be kept without asking for them.
type host struct {
	Context   string `json:"context,omitempty"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Host      string `json:"host"`
	Alias     string `json:"alias"`
	KnownHost string `json:"knownHost"`
	// KnownGateway is the line for the gateway, where the way is through it.
	KnownGateway string `json:"knownGateway,omitempty"`
	Proxy        string `json:"proxy"`
}

// newHost fails for a box without a host key: nobody could log in to it. The
// way is through devctl, or through the gateway, whose host key is to stand in
// the file knownHosts.
func newHost(to *cluster.Cluster, ds *devserverv1.DevServer, via, knownHosts string) (host, error) {
	known, err := reach.KnownHost(ds)
	if err != nil {
		return host{}, err
	}
	h := host{
		Context: to.Context, Namespace: ds.Namespace, Name: ds.Name,
		Host: reach.Host(ds), Alias: reach.Alias(ds), KnownHost: strings.TrimSpace(known),
	}
	if via == reach.Gateway {
		line, err := reach.KnownGateway(ds)
		if err != nil {
			return host{}, err
		}
		h.KnownGateway = strings.TrimSpace(line)
		h.Proxy, err = reach.GatewayCommand(ds, knownHosts, "")
		return h, err
	}
	var flags []string
	if via != reach.Auto {
		flags = append(flags, "--via="+via)
	}
	h.Proxy = reach.ProxyCommand(to, ds, flags...)
	return h, nil
}

const (
	// heading begins a file of ours.
	heading = "# Written by devctl ssh-config, which replaces this file: changes get lost.\n"
	// marker is before what a host was made from.
	marker = "# devctl: "
)

// configText is the file for OpenSSH. Each host has all of its options: not
// everything that reads such files knows patterns.
func configText(hosts []host, knownHosts string) string {
	var text strings.Builder
	text.WriteString(heading)
	for _, h := range hosts {
		made, _ := json.Marshal(h) // strings alone: it cannot fail
		fmt.Fprintf(&text, "\n%s%s\n", marker, made)
		for _, line := range []string{
			"Host " + h.Host,
			"  User " + agentapi.User,
			"  ProxyCommand " + h.Proxy,
			"  HostKeyAlias " + h.Alias,
			"  UserKnownHostsFile " + reach.Quote(knownHosts),
			"  GlobalKnownHostsFile /dev/null",
			"  StrictHostKeyChecking yes",
			"  UpdateHostKeys no",
			// A connection that is dead is noticed within two minutes.
			"  ServerAliveInterval 30",
			"  ServerAliveCountMax 4",
		} {
			fmt.Fprintln(&text, line)
		}
	}
	return text.String()
}

// knownHostsText has one key for each name, so that no cluster can pass a box
// of its own for that of another.
func knownHostsText(hosts []host) string {
	var lines []string
	for _, h := range hosts {
		lines = append(lines, h.KnownHost)
		if h.KnownGateway != "" && !slices.Contains(lines, h.KnownGateway) {
			lines = append(lines, h.KnownGateway)
		}
	}
	return strings.Join(append(lines, ""), "\n")
}

// parse reads the hosts back from a file of ours.
func parse(text string) (hosts []host, err error) {
	if text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(text, heading) {
		return nil, errors.New("it was not written by devctl: move it away")
	}
	for line := range strings.Lines(text) {
		made, ok := strings.CutPrefix(strings.TrimSpace(line), marker)
		if !ok {
			continue
		}
		var h host
		if err := json.Unmarshal([]byte(made), &h); err != nil {
			return nil, fmt.Errorf("a line of it was changed by hand: remove the file: %w", err)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// merge puts the new hosts in the place of those that gone tells of, and returns
// them in order. What now means another box than before is named in taken.
func merge(before, now []host, gone func(host) bool) (merged, taken []host) {
	fresh := map[string]host{}
	for _, h := range now {
		fresh[h.Host] = h
	}
	for _, h := range before {
		replacing, again := fresh[h.Host]
		if again && replacing.Context != h.Context {
			taken = append(taken, h)
		}
		if !again && !gone(h) {
			merged = append(merged, h)
		}
	}
	merged = append(merged, now...)
	slices.SortFunc(merged, func(a, b host) int {
		return cmp.Or(cmp.Compare(a.Context, b.Context), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return merged, taken
}
