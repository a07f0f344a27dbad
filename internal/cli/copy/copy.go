package copy

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
)

// Options say how to copy.
type Options struct {
	reach.Options
	Recursive, Preserve, Quiet bool
}

// Prepare waits until the server is running, and returns the scp command line.
func Prepare(ctx context.Context, to *cluster.Cluster, t reach.Target, paths []string, o Options, streams genericiooptions.IOStreams) ([]string, error) {
	ds, err := reach.Running(ctx, to.Client, t, o.Options, streams)
	if err != nil {
		return nil, err
	}
	options, err := reach.OpenSSH(ctx, to, ds, o.Options)
	if err != nil {
		return nil, err
	}
	line := append([]string{"scp"}, options...)
	for _, flag := range []struct {
		name string
		set  bool
	}{{"-r", o.Recursive}, {"-p", o.Preserve}, {"-q", o.Quiet}} {
		if flag.set {
			line = append(line, flag.name)
		}
	}
	line = append(line, "--")
	for _, path := range paths {
		line = append(line, word(path, t.User+"@"+reach.Host(ds)))
	}
	return line, nil
}

// only is the DevServer that the paths name. Either all sources or the destination
// must be in it.
func only(paths []string) (string, error) {
	last := len(paths) - 1
	var servers []string
	for i, path := range paths {
		server, _, remote := split(path)
		if remote && i < last {
			if into, _, both := split(paths[last]); both {
				return "", errors.New("cannot copy from " + server + " to " + into + ": one side must be on this machine: copy here first, or run scp in one of them")
			}
		}
		if remote {
			servers = append(servers, server)
		}
	}
	if len(servers) == 0 {
		return "", errors.New("no path is in a DevServer: write NAME:PATH for those that are")
	}
	if _, _, there := split(paths[last]); !there && len(servers) < last {
		return "", errors.New("the destination and some of the sources are on this machine: copy these with cp")
	}
	if len(slices.Compact(servers)) > 1 {
		return "", errors.New("the sources are in several DevServers: copy from one at a time")
	}
	return servers[0], nil
}

// split splits a path in a DevServer, which has a colon before any slash, as for
// scp.
func split(path string) (server, rest string, remote bool) {
	server, rest, ok := strings.Cut(path, ":")
	if !ok || server == "" || strings.ContainsAny(server, `/\`) || filepath.VolumeName(path) != "" {
		return "", path, false
	}
	return server, rest, true
}

// word is a path as an argument of scp.
func word(path, host string) string {
	if _, rest, remote := split(path); remote {
		return host + ":" + rest
	}
	return path
}
