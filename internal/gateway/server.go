package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/sshpolicy"
)

// candidateKey is a key of ssh.Permissions.ExtraData. Its value is the identity of a
// client that has offered a public key.
type candidateKey struct{}

// identityKey is a key of ssh.Permissions.ExtraData. Its value is the identity of a client
// that has also proven that it has the private key.
type identityKey struct{}

// errUnknownKey is the error for every key and certificate that is refused. A login is
// never refused because of its user name, which the gateway ignores.
var errUnknownKey = errors.New("this key opens no DevServer")

// errTooMany refuses a login: of a user who has too many connections, or because too many
// clients are logging in.
var errTooMany = errors.New("too many connections are open")

// server is the SSH server of the gateway.
type server struct {
	directory   *directory
	authorities atomic.Pointer[authorities]
	dial        func(ctx context.Context, network, address string) (net.Conn, error)
	edit        editLease
	waker       *waker
	patience    patience
	hangUpTime  time.Duration
	address     string // the address at which users reach the gateway; can be empty
	log         *slog.Logger
	metrics     *metrics

	ssh    *ssh.ServerConfig
	door   *sshpolicy.Door
	limits limits

	mu       sync.Mutex
	draining bool
	logins   map[net.Conn]struct{} // in their handshake
	clients  map[*client]struct{}
	running  sync.WaitGroup // connections, from accept to end
}

// newServer returns a server with the given host key. It connects clients to the
// DevServers in d, and wakes these by editing their Leases.
func newServer(hostKey ssh.Signer, d *directory, edit editLease, log *slog.Logger) *server {
	s := &server{
		directory:  d,
		dial:       (&net.Dialer{}).DialContext,
		edit:       edit,
		patience:   patient(defaultWakeTimeout),
		hangUpTime: hangUpTime,
		log:        log,
		metrics:    newMetrics(),
		ssh:        sshpolicy.ServerConfig(),
		door:       sshpolicy.NewDoor(sshpolicy.MaxLogins, sshpolicy.MaxLoginsPerAddress, sshpolicy.SiteBits),
		limits:     newLimits(defaultConnections, defaultConnectionsPerUser),
		logins:     map[net.Conn]struct{}{},
		clients:    map[*client]struct{}{},
	}
	s.authorities.Store(&authorities{})
	s.waker = newWaker(func(ctx context.Context, name types.NamespacedName) error {
		return s.edit(ctx, name, map[string]any{"renewTime": metav1.NowMicro()})
	})
	s.ssh.AddHostKey(hostKey)
	// A client can offer a key without having its private half. This decides only
	// whether the server asks for a signature.
	s.ssh.PublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		who, restrictions, err := s.authorities.Load().identify(key)
		if err != nil {
			s.log.Debug("certificate refused", "from", conn.RemoteAddr().String(), "error", err)
			return nil, errUnknownKey
		}
		if !d.knows(who) {
			return nil, errUnknownKey
		}
		return &ssh.Permissions{CriticalOptions: restrictions, ExtraData: map[any]any{candidateKey{}: who}}, nil
	}
	// This is called once the client has proven that it has the private key.
	s.ssh.VerifiedPublicKeyCallback = func(_ ssh.ConnMetadata, _ ssh.PublicKey, offered *ssh.Permissions, _ string) (*ssh.Permissions, error) {
		who, _ := offered.ExtraData[candidateKey{}].(identity)
		if err := s.limits.connections.Check(d.account(who), 1); err != nil {
			err = fmt.Errorf("%w: %w", errTooMany, err)
			return nil, &ssh.BannerError{Err: err, Message: "gateway: " + err.Error() + ". Close other connections first.\r\n"}
		}
		return &ssh.Permissions{
			CriticalOptions: offered.CriticalOptions,
			ExtraData:       map[any]any{identityKey{}: offered.ExtraData[candidateKey{}]},
		}, nil
	}
	d.revoked = s.revoke
	return s
}

// serve accepts connections until listener is closed.
func (s *server) serve(listener net.Listener) {
	const maxPause = time.Second
	pause := time.Duration(0)
	for {
		raw, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// The usual cause is a lack of file descriptors, which ends when clients
			// disconnect.
			pause = min(max(2*pause, 5*time.Millisecond), maxPause)
			s.log.Error("accepting a connection failed", "error", err, "retry_in", pause.String())
			<-time.After(pause)
			continue
		}
		pause = 0
		conn := sshpolicy.NewConn(raw)
		if err := conn.Enter(s.door); err != nil {
			s.metrics.logins.WithLabelValues(resultTooMany).Inc()
			s.log.Debug("too many logins at once", "from", raw.RemoteAddr().String())
			_ = raw.Close()
			continue
		}
		s.running.Go(func() {
			defer conn.Leave()
			s.handle(conn)
		})
	}
}

// handle serves one connection from its first byte to its end.
func (s *server) handle(raw *sshpolicy.Conn) {
	defer func() { <-raw.Closed() }()
	defer func() {
		if fault := recover(); fault != nil {
			s.fault(s.log.With("from", raw.RemoteAddr().String()), "serving a connection", fault)
			_ = raw.Close()
		}
	}()
	conn, channels, requests, err := s.login(raw)
	if err == nil {
		// The door no longer counts a connection that has logged in. If the login failed,
		// the door counts the connection until it is closed.
		raw.Leave()
	}
	if err != nil && raw.Dropped() {
		err = fmt.Errorf("dropped in favor of others: %w", errTooMany)
	}
	s.metrics.logins.WithLabelValues(loginResult(err)).Inc()
	if err != nil {
		// Port scanners cause this.
		s.log.Debug("login failed", "error", err)
		return
	}
	s.metrics.connections.Inc()
	defer s.metrics.connections.Dec()
	c := newClient(s, conn)
	raw.Limit(c.intake)
	go sshpolicy.KeepAlive(conn, requests, sshpolicy.KeepAliveInterval, sshpolicy.KeepAliveMisses)
	err = s.limits.connections.Take(c.account, 1)
	if err == nil {
		defer s.limits.connections.Give(c.account, 1)
	}
	if err := cmp.Or(err, s.add(c)); err != nil {
		_ = conn.Close()
		c.log.Info("connection refused", "reason", err.Error())
	}
	c.serve(channels)
	s.remove(c)
}

// loginResult returns the result of a login for the metrics.
func loginResult(err error) string {
	switch denied, ok := errors.AsType[*ssh.ServerAuthError](err); {
	case err == nil:
		return resultOK
	case errors.Is(err, errTooMany), ok && slices.ContainsFunc(denied.Errors, isTooMany):
		return resultTooMany
	case ok:
		return resultRefused
	case errors.Is(err, errStopping):
		return resultStopping
	}
	return resultFailed
}

func isTooMany(err error) bool { return errors.Is(err, errTooMany) }

// fault records a panic, which must not end other connections.
func (s *server) fault(log *slog.Logger, doing string, fault any) {
	s.metrics.panics.Inc()
	log.Error("panic", "doing", doing, "fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
}

// login does the handshake. It fails if the gateway is stopping, and drain interrupts
// it.
func (s *server) login(raw net.Conn) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		_ = raw.Close()
		return nil, nil, nil, errStopping
	}
	s.logins[raw] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.logins, raw)
	}()
	return sshpolicy.Handshake(raw, s.ssh)
}

// add registers a connection, so that revoke and drain can end it.
func (s *server) add(c *client) error {
	s.mu.Lock()
	draining := s.draining
	s.clients[c] = struct{}{}
	s.mu.Unlock()
	if draining {
		return errStopping
	}
	// The key may have been revoked between its verification and the registration
	// above. From here on, revoke ends the connection.
	if !s.isTrusted(c.who) || !s.directory.knows(c.who) {
		return errRevoked
	}
	return nil
}

func (s *server) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

func (s *server) all() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	clients := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	return clients
}

// revoke checks the key of each client again. It ends the client's tunnels to those of
// the named servers that the key no longer opens. It disconnects the client if the
// directory no longer knows the key.
func (s *server) revoke(names []types.NamespacedName) {
	for _, c := range s.all() {
		c.cut(names)
		if !s.directory.knows(c.who) {
			_ = c.conn.Close()
		}
	}
}

// drain refuses new connections and channels, and lets sessions finish until ctx ends.
// It returns when all connections are closed; left is how many of them it had to close
// itself.
func (s *server) drain(ctx context.Context) (left int) {
	s.mu.Lock()
	s.draining = true
	for raw := range s.logins {
		_ = raw.Close()
	}
	s.mu.Unlock()
	for _, c := range s.all() {
		c.closeIfIdle()
	}
	finished := make(chan struct{})
	go func() {
		s.running.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return 0
	case <-ctx.Done():
	}
	late := s.all()
	for _, c := range late {
		c.cutAll(errStopping)
		_ = c.conn.Close()
	}
	<-finished
	return len(late)
}

func (s *server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}
