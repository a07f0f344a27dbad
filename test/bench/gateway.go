package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"devserver.io/devserver/test/bench/jump"
	"devserver.io/devserver/test/bench/plane"
	"devserver.io/devserver/test/openssh"
)

// serversName as the first argument makes this program the servers behind the jump hosts.
// They run in a separate process so that their CPU time is counted separately.
const serversName = "jump-servers"

// crossing holds the jump hosts that are compared.
type crossing struct {
	o       options
	r       *report
	servers *plane.Process
	hosts   []*jump.Host
}

// measureGateway puts the same load on the gateway and on OpenSSH's sshd as a
// jump host, one after the other.
func measureGateway(ctx context.Context, o options, r *report) (failed error) {
	dir, err := os.MkdirTemp("", "devserver-bench-gateway-")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &crossing{o: o, r: r}
	defer func() {
		cancel()
		failed = errors.Join(failed, c.stop(), os.RemoveAll(dir))
	}()
	if err := c.start(ctx, dir); err != nil {
		return err
	}
	for _, phase := range []func(context.Context, *jump.Host) error{c.idle, c.connections, c.streams, c.crowd, c.keystrokes} {
		for _, h := range c.hosts {
			if err := phase(ctx, h); err != nil {
				return fmt.Errorf("%s: %w", h.Name, errors.Join(err, h.Ended()))
			}
		}
	}
	return nil
}

func (c *crossing) start(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if c.servers, err = plane.Run(filepath.Join(dir, "servers.log"), nil, self, serversName); err != nil {
		return err
	}
	hostKey, err := openssh.NewKey(ctx, dir, "host", "ed25519")
	if err != nil {
		return err
	}
	clientKey, err := openssh.NewKey(ctx, dir, "client", "ed25519")
	if err != nil {
		return err
	}
	for _, start := range []func(context.Context, string, openssh.Key, openssh.Key) (*jump.Host, error){jump.Gateway, jump.Sshd} {
		h, err := start(ctx, dir, hostKey, clientKey)
		if err != nil {
			return errors.Join(err, c.servers.Ended())
		}
		c.hosts = append(c.hosts, h)
		algorithms, err := h.Algorithms()
		if err != nil {
			return err
		}
		c.r.Setting = append(c.r.Setting, fmt.Sprintf("gateway: %s: %s", h.Name, algorithms))
	}
	c.r.Setting = append(c.r.Setting, fmt.Sprintf("gateway: it knows %d servers; clients and servers run on the same machine, in separate processes", jump.Known))
	return nil
}

func (c *crossing) stop() error {
	var failed error
	for _, h := range c.hosts {
		failed = errors.Join(failed, h.Stop())
	}
	if c.servers != nil {
		failed = errors.Join(failed, c.servers.Stop())
	}
	return failed
}

// add adds a result of one of the jump hosts to the report. The project's goals apply to
// the gateway only.
func (c *crossing) add(h *jump.Host, x result) {
	x.Target, x.Name = "gateway", h.Name+": "+x.Name
	if h != c.hosts[0] {
		x.Goal, x.Least, x.Zero = 0, 0, false
	}
	c.r.add(x)
}

// idlers returns how many idle connections to open. For each, the gateway needs two file
// descriptors and sshd needs two processes.
func (c *crossing) idlers(h *jump.Host) (n int, note string, err error) {
	if h != c.hosts[0] {
		return 500, "500 of them", nil
	}
	files, err := jump.MaxFiles()
	if err != nil {
		return 0, "", err
	}
	n = cmp.Or(c.o.servers, 10_000)
	if most := (files - 200) / 2; n > most {
		return most, fmt.Sprintf("%d of them, because of the limit of %d open files", most, files), nil
	}
	return n, fmt.Sprintf("%d of them", n), nil
}
