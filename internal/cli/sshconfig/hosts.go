package sshconfig

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"

	"k8s.io/apimachinery/pkg/util/validation"
)

// host is a server in ssh's configuration. The file has it as JSON before the
// lines that are made from it, so hosts of other clusters and namespaces can be
// kept without a request to these clusters.
type host struct {
	Context   string `json:"context,omitempty"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Host      string `json:"host"`
	Alias     string `json:"alias"`
	KnownHost string `json:"knownHost"`
	// KnownGateway is the line for the gateway, if connections go through it.
	KnownGateway string `json:"knownGateway,omitempty"`
	Proxy        string `json:"proxy"`
}

// newHost fails for a server without a host key, because ssh could not verify it.
// Connections go through devctl, or through the gateway, whose host key is read from
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
		if h.Proxy, err = reach.GatewayCommand(ds, knownHosts, ""); err != nil {
			return host{}, err
		}
		return h, h.check()
	}
	var flags []string
	if via != reach.Auto {
		flags = append(flags, "--via="+via)
	}
	h.Proxy = reach.ProxyCommand(to, ds, flags...)
	return h, h.check()
}

// check returns an error for a host that would change the meaning of other lines of the
// files. Paths and the name of the context come from this machine.
func (h host) check() error {
	for _, name := range []string{h.Name, h.Host, h.Alias} {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return fmt.Errorf("%q is not the name of a host", name)
		}
	}
	for _, line := range []string{h.KnownHost, h.KnownGateway, h.Proxy} {
		if strings.ContainsFunc(line, unicode.IsControl) {
			return fmt.Errorf("%q is not one line", line)
		}
	}
	return nil
}

// file is what our configuration file says.
type file struct {
	short *scope // nil for no short names
	hosts []host
}

const (
	// heading is the first line of our configuration file.
	heading = "# Written by devctl ssh-config, which replaces this file: changes get lost.\n"
	// marker precedes the JSON of a host, shortMarker that of the scope of short
	// names.
	marker      = "# devctl: "
	shortMarker = "# devctl short names: "
)

// text is the file for OpenSSH. Every host has all options, because not every
// program that reads such files supports patterns. own are the patterns of the
// hosts in the user's own configuration.
func (f file) text(knownHosts string, own []string) string {
	var text strings.Builder
	text.WriteString(heading)
	if f.short != nil {
		made, _ := json.Marshal(f.short) // It cannot fail: it has only strings.
		text.WriteString("\n" + shortMarker + string(made) + "\n")
	}
	for _, h := range f.hosts {
		made, _ := json.Marshal(h) // It cannot fail: it has only strings.
		text.WriteString("\n" + marker + string(made) + "\n")
		for _, line := range []string{
			"Host " + strings.Join(f.short.names(h, own), " "),
			"  User " + agentapi.User,
			"  ProxyCommand " + h.Proxy,
			"  HostKeyAlias " + h.Alias,
			"  UserKnownHostsFile " + reach.Quote(knownHosts),
			"  GlobalKnownHostsFile /dev/null",
			"  StrictHostKeyChecking yes",
			"  UpdateHostKeys no",
			// A dead connection is noticed within two minutes.
			"  ServerAliveInterval 30",
			"  ServerAliveCountMax 4",
		} {
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// knownHostsText has one key for each name, so no cluster can present a server of
// its own as one of another cluster.
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

// parse reads our configuration file back.
func parse(text string) (f file, err error) {
	if text == "" {
		return file{}, nil
	}
	if !strings.HasPrefix(text, heading) {
		return file{}, errors.New("it was not written by devctl: move it away")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if made, ok := strings.CutPrefix(line, shortMarker); ok {
			err = json.Unmarshal([]byte(made), &f.short)
		} else if made, ok := strings.CutPrefix(line, marker); ok {
			f.hosts = append(f.hosts, host{})
			if err = json.Unmarshal([]byte(made), &f.hosts[len(f.hosts)-1]); err == nil {
				err = f.hosts[len(f.hosts)-1].check()
			}
		}
		if err != nil {
			return file{}, fmt.Errorf("a line of it was changed by hand: remove the file: %w", err)
		}
	}
	return f, nil
}

// merge replaces the hosts for which gone is true by the new ones, and returns all
// of them in order. taken are the names that now mean a server of another cluster.
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
