package sshd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// Server is the SSH server of one dev server.
type Server struct {
	cfg       Config
	log       *slog.Logger
	sshConfig *ssh.ServerConfig
	keys      *keyFile
	// door limits the connections that have not authenticated yet, because anyone
	// who reaches the port can open them. The limit for one address is high, because
	// behind kube-proxy all clients can have the same address.
	door     *sshpolicy.Door
	limits   limits
	refusals *refusals
	// probes has the source addresses of the agent's own probes. They do not pass the
	// door, so that a flood of connections does not make the server look dead.
	probes sync.Map
	// accounts has the names that may log in.
	accounts  map[string]bool
	sessions  *sessions
	terminals *terminals
	// awaitingClients is set once all sessions have ended and Serve waits for
	// clients to disconnect.
	awaitingClients atomic.Bool

	mu    sync.Mutex
	conns map[*conn]bool
}

// New returns a server. Call Serve to run it.
func New(cfg Config) (*Server, error) {
	if kind := cfg.HostKey.PublicKey().Type(); kind != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("the host key is %s: it must be %s", kind, ssh.KeyAlgoED25519)
	}
	cfg.HangUpTime = cmp.Or(cfg.HangUpTime, hangUpTime)
	s := &Server{
		cfg:       cfg,
		log:       cfg.Logger,
		sshConfig: newServerConfig(cfg.HostKey),
		keys:      newKeyFile(cfg.AuthorizedKeysFile, cfg.Logger),
		door:      sshpolicy.NewDoor(cfg.MaxPending, cfg.MaxPendingPerAddress, sshpolicy.HostBits),
		limits:    newLimits(cfg.MemoryLimit),
		refusals:  &refusals{log: cfg.Logger},
		accounts:  map[string]bool{cfg.User: true},
		sessions:  &sessions{traffic: cfg.Traffic},
		terminals: &terminals{open: map[*terminalOutput]bool{}},
		conns:     map[*conn]bool{},
	}
	if cfg.RootLogin {
		s.accounts[rootName] = true
	}
	if _, err := s.keys.load(); err != nil {
		// Not fatal: the Secret may be corrected while the server runs.
		s.log.Error("logins are refused until the keys can be read", "error", err)
	}
	return s, nil
}

// Serve accepts connections until ctx ends. If the whole dev server stops, it then waits
// until all sessions have ended. If only the SSH server stops, it closes them.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	go s.watchKeys(watching)
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	err := s.accept(ctx, listener)
	s.end()
	return err
}

func (s *Server) accept(ctx context.Context, listener net.Listener) error {
	var delay time.Duration
	for {
		nc, err := listener.Accept()
		switch {
		case err == nil:
			delay = 0
			s.admit(ctx, nc)
		case ctx.Err() != nil:
			return nil //nolint:nilerr // The listener is closed because the server stops.
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting SSH connections: %w", err)
		default:
			// The process is probably out of file descriptors or memory. Sessions that
			// end free both.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.log.Error("cannot accept a connection", "error", err, "retryIn", delay.String())
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
		}
	}
}

func (s *Server) admit(ctx context.Context, nc net.Conn) {
	if _, isProbe := s.probes.Load(nc.RemoteAddr().String()); isProbe {
		go s.handshakeOnly(nc)
		return
	}
	client := newClientConn(nc)
	if err := client.Enter(s.door); err != nil {
		s.refusals.note(nc.RemoteAddr(), err)
		nc.Close()
		return
	}
	go s.serveConn(ctx, client)
}

// serveConn serves one connection from its first byte to its last.
func (s *Server) serveConn(ctx context.Context, client *clientConn) {
	defer client.Leave()
	// After a refused login, the connection stays open until the client has read
	// the refusal. It counts as pending until then, so that the limit applies.
	defer func() { <-client.Closed() }()
	defer client.Close()
	defer s.survive("connection")
	accepted := time.Now()
	attempt := &login{server: s}
	sc, channels, requests, err := s.cfg.Timeouts.Handshake(client, attempt.config())
	if client.Dropped() {
		s.refusals.note(client.RemoteAddr(), errDropped)
		return
	}
	if err != nil {
		level := slog.LevelInfo
		if client.heard.Load() == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
			// The client sent nothing. Load balancers do that every few seconds to
			// check whether the port is open.
			level = slog.LevelDebug
		}
		s.log.Log(ctx, level, "login refused", "remote", client.RemoteAddr().String(), "key", attempt.offered,
			"reason", refusalReason(err), "after", since(accepted))
		return
	}
	client.Leave()
	c, err := newConn(ctx, s, sc, client)
	if err != nil {
		s.log.Error("login refused", "remote", client.RemoteAddr().String(), "reason", err.Error())
		discard(channels, requests)
		return
	}
	defer s.limits.connections.Give(c.user, 1)
	c.serve(channels, requests)
}

// discard takes what a client has requested on a connection that is closed. Otherwise
// package ssh would wait for that for as long as the process runs.
func discard(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		reject(channel, ssh.ResourceShortage, "the connection is closed")
	}
}

// errDropped is why a connection that was admitted is closed before it has logged in.
var errDropped = errors.New("other connections are waiting to authenticate")

// refusalReason returns the last error of a login attempt. The errors before it
// are not interesting: clients first try without a key, then each of their keys.
func refusalReason(err error) string {
	var attempts *ssh.ServerAuthError
	if errors.As(err, &attempts) && len(attempts.Errors) > 0 {
		return attempts.Errors[len(attempts.Errors)-1].Error()
	}
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error() // without the client's address
	}
	return err.Error()
}

// survive recovers from a panic, so that a fault in one connection does not end
// the others. It must be deferred.
func (s *Server) survive(where string) {
	if fault := recover(); fault != nil {
		s.log.Error("recovered from a panic", "where", where, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
	}
}

// SetAuthorizedKeys replaces the keys that may log in, before the file in the Secret
// is updated, and closes the connections of all other keys.
func (s *Server) SetAuthorizedKeys(text []byte) {
	s.keys.push(text)
	s.cutRevoked()
}

// Drain calls idle and, if it returns true, makes the server refuse new sessions for
// the duration during. It returns what idle returned.
func (s *Server) Drain(idle func() bool, during time.Duration) bool {
	return s.sessions.drain(idle, during)
}

// Release ends a drain, so that new sessions are accepted again.
func (s *Server) Release() { s.sessions.release() }

// watchKeys closes connections whose key has been revoked, until ctx ends.
func (s *Server) watchKeys(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.KeysInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.cutRevoked()
		}
	}
}

func (s *Server) cutRevoked() {
	for _, c := range s.connections() {
		if c.revoked() {
			go c.cutRevoked() // in parallel, because one that hangs must not delay the others
		}
	}
}

func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

func (s *Server) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// end ends every connection. If the spawner stops too, end first waits for the sessions
// to end.
func (s *Server) end() {
	s.sessions.refuse()
	if s.spawnerStops() {
		s.sessions.await(s.cfg.Grace + s.cfg.HangUpTime)
	} else {
		s.Warn("The SSH server is being replaced: connect again.")
		s.sessions.hangUpAll()
	}
	s.awaitingClients.Store(true)
	var clients sync.WaitGroup
	for _, c := range s.connections() {
		clients.Go(c.closeGracefully)
	}
	clients.Wait()
}

// The kubelet asks both containers of a pod to stop at the same time. If the spawner is
// not stopping after stopsTogether, only the SSH server stops.
const (
	stopsTogether = 2 * time.Second
	askAgain      = 50 * time.Millisecond
)

// spawnerStops reports whether the spawner is stopping too, or has ended.
func (s *Server) spawnerStops() bool {
	ctx, cancel := context.WithTimeout(context.Background(), stopsTogether)
	defer cancel()
	for {
		report, err := s.cfg.Spawner.Report(ctx, spawnapi.ReportRequest{})
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil || report.Stopping:
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(askAgain):
		}
	}
}

// since formats the time since start for the log.
func since(start time.Time) string {
	return time.Since(start).Round(time.Millisecond).String()
}
