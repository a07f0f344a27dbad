package portforward

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/openssh"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// Options say how to forward.
type Options struct {
	reach.Options
	Address string
}

// pair is a port on this machine, and one on the server.
type pair struct{ local, remote int }

func parsePorts(words []string) (pairs []pair, err error) {
	for _, word := range words {
		here, there, two := strings.Cut(word, ":")
		if !two {
			here, there = word, word
		}
		p := pair{}
		p.remote, err = port(there)
		if err == nil && here != "" {
			p.local, err = port(here)
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not [LOCAL:]REMOTE: %w", word, err)
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func port(word string) (int, error) {
	n, err := strconv.ParseUint(word, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", word)
	}
	return int(n), nil
}

// Run forwards the ports until ctx ends, which is no failure.
func Run(ctx context.Context, to *cluster.Cluster, t reach.Target, pairs []pair, o Options, streams genericiooptions.IOStreams) error {
	// Errors on this machine are reported before a server is woken.
	pairs, err := o.free(ctx, pairs)
	if err != nil {
		return err
	}
	ds, err := reach.Running(ctx, to.Client, t, o.Options, streams)
	if err != nil {
		return err
	}
	options, err := reach.OpenSSH(ctx, to, ds, o.Options)
	if err != nil {
		return err
	}
	args := slices.Concat(options, own)
	for _, p := range pairs {
		args = append(args, "-L", fmt.Sprintf("%s:localhost:%d", net.JoinHostPort(o.Address, strconv.Itoa(p.local)), p.remote))
	}
	ssh := exec.CommandContext(ctx, "ssh", append(args, t.User+"@"+reach.Host(ds))...)
	ssh.Cancel = func() error { return ssh.Process.Signal(syscall.SIGTERM) }
	ssh.WaitDelay = 5 * time.Second
	ssh.Stdin, ssh.Stderr = streams.In, output.Raw(streams.ErrOut)
	opened, err := forward(ssh, func() {
		for _, p := range pairs {
			output.Printf(streams.Out, "Forwarding %s -> %s:%d\n", net.JoinHostPort(o.Address, strconv.Itoa(p.local)), ds.Name, p.remote)
		}
	})
	switch {
	case endedByUser(ctx):
		return nil
	case opened:
		return fmt.Errorf("the connection to DevServer %s ended, and with it the forwarding: repeat the command", ds.Name)
	}
	return openssh.Ended("ssh", err)
}

// own are the options for a session that only forwards. A shared connection would
// take over the ports and keep them open in the background.
var own = []string{
	"-N", "-o", "ExitOnForwardFailure=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none",
	"-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
	// ssh runs it when all ports are open, and its output comes to us.
	"-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo open",
}

// forward runs ssh to its end and calls ready when its ports are open. opened
// tells whether that happened.
func forward(ssh *exec.Cmd, ready func()) (opened bool, err error) {
	output, err := ssh.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := ssh.Start(); err != nil {
		return false, fmt.Errorf("%w: install the OpenSSH client", err)
	}
	lines := bufio.NewReader(output)
	if _, err := lines.ReadString('\n'); err == nil {
		opened = true
		ready()
	}
	_, _ = io.Copy(io.Discard, lines)
	return opened, ssh.Wait()
}

// endedByUser tells whether ssh ended because of Ctrl-C. Both processes get it, so
// ssh may have ended before ctx does.
func endedByUser(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(100 * time.Millisecond):
		return false
	}
}

// free checks that the local ports are free, and chooses those that the user left
// open.
func (o Options) free(ctx context.Context, pairs []pair) ([]pair, error) {
	found := make([]pair, len(pairs))
	// All stay open until the last is chosen, so no two are the same.
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			_ = listener.Close()
		}
	}()
	for i, p := range pairs {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(o.Address, strconv.Itoa(p.local)))
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, exit.With(exit.Refused, fmt.Errorf("port %d of this machine is in use: choose another with LOCAL:%d, or any free one with :%d", p.local, p.remote, p.remote))
		}
		if err != nil {
			return nil, fmt.Errorf("listening on this machine: %w", err)
		}
		held = append(held, listener)
		p.local = listener.Addr().(*net.TCPAddr).Port
		found[i] = p
	}
	return found, nil
}
