package reach

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

// OpenSSH returns the options for ssh, scp and sftp with which Host(ds) is exactly
// that server. They must come first: OpenSSH uses the first value of an option, so
// neither the user's flags nor ~/.ssh/config can turn the host key check off.
func OpenSSH(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer, o Options) ([]string, error) {
	file, err := writeKnownHosts(ds)
	if err != nil {
		return nil, err
	}
	options := []string{
		"HostKeyAlias=" + Alias(ds),
		"UserKnownHostsFile=" + Quote(file),
		"GlobalKnownHostsFile=/dev/null",
		"StrictHostKeyChecking=yes",
		"UpdateHostKeys=no",
	}
	way, err := route(ctx, to, ds, o, file)
	if err != nil {
		return nil, err
	}
	options = append(options, way...)
	if o.Identity != "" {
		options = append(options, "IdentityFile="+Quote(o.Identity), "IdentitiesOnly=yes")
	}
	var words []string
	for _, option := range options {
		words = append(words, "-o", option)
	}
	return words, nil
}

// route are the options that tell OpenSSH how to connect to the server.
func route(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer, o Options, knownHosts string) ([]string, error) {
	if o.Via == Gateway {
		line, err := GatewayCommand(ds, knownHosts, o.Identity)
		return []string{"ProxyCommand=" + line}, err
	}
	conn, err := Dial(ctx, ds, o.Via)
	switch {
	case err != nil:
		return nil, err
	case conn == nil:
		return []string{"ProxyCommand=" + ProxyCommand(to, ds, "--via="+API)}, nil
	}
	_ = conn.Close() // It was only a test whether the address answers.
	return []string{"ProxyCommand=none", "HostName=" + ds.Status.SSH.Host, fmt.Sprintf("Port=%d", ds.Status.SSH.Port)}, nil
}

// ProxyCommand is the command line by which OpenSSH, and what uses it, connects to
// a server through this program.
func ProxyCommand(to *cluster.Cluster, ds *devserverv1.DevServer, flags ...string) string {
	words := append([]string{self(), "ssh-proxy"}, to.Words()...)
	words = append(words, "--namespace="+ds.Namespace)
	words = append(append(words, flags...), ds.Name)
	return proxyLine(words)
}

// self is the path of this program, as typed or found in PATH. Links are not
// followed: a package manager keeps the link, but its target may have a version in
// its name, which the next upgrade removes.
func self() string {
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "devctl"
}

// ShellQuote quotes a word for the shell of the user, with which OpenSSH also runs a
// ProxyCommand.
func ShellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:@,+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	if runtime.GOOS == "windows" {
		return `"` + strings.ReplaceAll(word, `"`, `\"`) + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Quote writes a file name for an ssh option, in which spaces separate names
// and % starts a token.
func Quote(file string) string {
	return `"` + strings.ReplaceAll(file, "%", "%%") + `"`
}
