package spawner

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
	live  []string // the names of the sockets, oldest first
}

// link returns the stable path.
func (a *agentSockets) link() string { return filepath.Join(a.dir, agentLink) }

// add creates a socket for a connection and points the link to it. After remove,
// the link points to the newest remaining one.
func (a *agentSockets) add() (listener *net.UnixListener, remove func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.owner.as(func() error { return runtimedir.Make(a.dir) }); err != nil {
		return nil, nil, fmt.Errorf("preparing a folder for the forwarded agent: %w", err)
	}
	a.count++
	name := "agent." + strconv.Itoa(a.count)
	listener, stop, err := a.owner.listenUnix(filepath.Join(a.dir, name))
	if err != nil {
		return nil, nil, fmt.Errorf("listening for the forwarded agent: %w", err)
	}
	a.live = append(a.live, name)
	if err := a.owner.as(a.point); err != nil {
		stop()
		a.live = a.live[:len(a.live)-1]
		return nil, nil, err
	}
	return listener, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		stop()
		a.live = slices.DeleteFunc(a.live, func(other string) bool { return other == name })
		if err := a.owner.as(a.point); err != nil {
			a.log.Warn("cannot update the path of the forwarded agent", "error", err)
		}
	}, nil
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
	os.Remove(fresh) // A crash may have left it.
	err := os.Symlink(a.live[len(a.live)-1], fresh)
	if err == nil {
		err = os.Rename(fresh, a.link())
	}
	if err != nil {
		return fmt.Errorf("pointing to the forwarded agent: %w", err)
	}
	return nil
}
