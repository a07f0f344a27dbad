package sshd

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"devserver.io/devserver/internal/agent/runtimedir"
)

// agentLink is the name, in the runtime folder, of the link that SSH_AUTH_SOCK
// contains in every session with agent forwarding.
const agentLink = "agent.sock"

// agentSockets maintains one stable path to the newest forwarded agent. A shell
// in tmux keeps the SSH_AUTH_SOCK that it was started with. If the path changed
// with each connection, that shell would lose its agent at the first reconnect.
type agentSockets struct {
	dir   string
	owner *account
	log   *slog.Logger

	mu    sync.Mutex
	count int
	live  []agentSocket // oldest first
}

type agentSocket struct {
	path string
	stop func()
}

func newAgentSockets(dir string, owner *account, log *slog.Logger) *agentSockets {
	return &agentSockets{dir: dir, owner: owner, log: log}
}

// link returns the stable path.
func (a *agentSockets) link() string { return filepath.Join(a.dir, agentLink) }

// add creates a socket for a connection and points the link to it.
func (a *agentSockets) add() (net.Listener, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.owner.as(func() error { return runtimedir.Make(a.dir) }); err != nil {
		return nil, "", fmt.Errorf("preparing a folder for the forwarded agent: %w", err)
	}
	a.count++
	path := filepath.Join(a.dir, "agent."+strconv.Itoa(a.count))
	listener, stop, err := a.owner.listenUnix(path)
	if err != nil {
		return nil, "", fmt.Errorf("listening for the forwarded agent: %w", err)
	}
	a.live = append(a.live, agentSocket{path, stop})
	if err := a.owner.as(a.point); err != nil {
		stop()
		a.live = a.live[:len(a.live)-1]
		return nil, "", err
	}
	return listener, path, nil
}

// remove removes a connection's socket. The link then points to the newest
// remaining one.
func (a *agentSockets) remove(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.IndexFunc(a.live, func(socket agentSocket) bool { return socket.path == path })
	if at < 0 {
		return
	}
	a.live[at].stop()
	a.live = slices.Delete(a.live, at, at+1)
	if err := a.owner.as(a.point); err != nil {
		a.log.Warn("cannot update the path of the forwarded agent", "error", err)
	}
}

func (a *agentSockets) removeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, socket := range a.live {
		socket.stop()
	}
	a.live = nil
	if err := a.owner.as(a.point); err != nil {
		a.log.Warn("cannot update the path of the forwarded agent", "error", err)
	}
}

// point makes the link point to the newest socket, atomically.
func (a *agentSockets) point() error {
	if len(a.live) == 0 {
		if err := os.Remove(a.link()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the path of the forwarded agent: %w", err)
		}
		return nil
	}
	fresh := a.link() + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pointing to the forwarded agent: %w", err)
	}
	newest := filepath.Base(a.live[len(a.live)-1].path)
	if err := os.Symlink(newest, fresh); err != nil {
		return fmt.Errorf("pointing to the forwarded agent: %w", err)
	}
	if err := os.Rename(fresh, a.link()); err != nil {
		return fmt.Errorf("pointing to the forwarded agent: %w", err)
	}
	return nil
}

// forwardAgent makes the client's agent available on the server, once for each
// connection, and returns the path for SSH_AUTH_SOCK.
func (c *conn) forwardAgent() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	link := c.account.agents.link()
	if c.agentPath != "" {
		return link, nil
	}
	if c.ctx.Err() != nil {
		return "", net.ErrClosed
	}
	listener, path, err := c.account.agents.add()
	if err != nil {
		return "", err
	}
	c.agentPath = path
	go c.forwards.serve(listener, "auth-agent@openssh.com", func(net.Conn) []byte { return nil })
	return link, nil
}
