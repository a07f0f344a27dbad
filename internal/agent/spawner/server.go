package spawner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// Config configures a Server.
type Config struct {
	// Socket is the path of the socket to listen on. Its folder must exist.
	Socket string
	// SSHUID is the user id of the SSH server. All others are refused.
	SSHUID int
	// Environment is the environment of every session. It also has the user's name and
	// home.
	Environment environ.Server
	// RootLogin allows processes of root. The spawner must then run as root, and the
	// user's processes run with UID and GID. Without RootLogin, all processes run with
	// the spawner's ids.
	RootLogin bool
	UID, GID  int
	// PasswdFile has the shell of each account and, with RootLogin, GroupFile has
	// its supplementary groups. If that shell cannot be run, the first of Shells
	// that can is used.
	PasswdFile, GroupFile string
	Shells                []string
	// MotdFile is the message of the day, which a login on a terminal prints.
	MotdFile string
	// ProcDir is /proc.
	ProcDir string
	// Binary is the agent's executable. Its verb sftp-server serves files.
	Binary string
	// RuntimeDir is a private folder for the sockets of forwarded agents.
	RuntimeDir string
	// Report returns the spawner's report, and Usage a line about what the server uses
	// and may use, which may be empty.
	Report func(context.Context, spawnapi.ReportRequest) spawnapi.Report
	Usage  func() string
	// OOMKills returns how many processes the kernel has killed because memory ran out,
	// and MemoryLimit the limit in bytes, or 0 without a limit.
	OOMKills, MemoryLimit func() int64
	// SocketInterval is how often the server checks whether the socket was removed, and
	// then creates it again. Default: 5 seconds.
	SocketInterval time.Duration
	// Grace is how long processes may take to end after SIGTERM. Then they are killed.
	Grace  time.Duration
	Logger *slog.Logger
}

// Server starts processes for the SSH server.
type Server struct {
	cfg      Config
	log      *slog.Logger
	accounts map[string]*account
	reaper   *reaper
	streams  *streams
	// isInit is set if this is PID 1, to which all processes of the container belong.
	isInit   bool
	stopping atomic.Bool
	oom      oomWatch

	mu       sync.Mutex
	running  map[*process]bool
	sessions sync.WaitGroup
}

// New returns a server. Call Run to run it.
func New(cfg Config) (*Server, error) {
	unignoreSignals()
	cfg.SocketInterval = cmp.Or(cfg.SocketInterval, socketInterval)
	s := &Server{
		cfg:     cfg,
		log:     cfg.Logger,
		reaper:  newReaper(cfg.ProcDir),
		streams: newStreams(),
		isInit:  os.Getpid() == 1,
		running: map[*process]bool{},
		oom:     oomWatch{kills: cfg.OOMKills},
	}
	s.accounts = newAccounts(&s.cfg, s.log)
	for _, a := range s.accounts {
		if err := a.as(func() error { return nil }); err != nil {
			return nil, fmt.Errorf("%w: a server with root login requires the default capabilities of the container runtime", err)
		}
	}
	return s, nil
}

// RunCommand runs a command of the spawner's own until it ends.
func (s *Server) RunCommand(cmd *exec.Cmd) (syscall.WaitStatus, syscall.Rusage, error) {
	return s.reaper.run(cmd)
}

// Stopping reports whether the container has been asked to stop.
func (s *Server) Stopping() bool { return s.stopping.Load() }

// Run serves the SSH server until ctx ends. It then ends all processes and returns.
func (s *Server) Run(ctx context.Context) error {
	// If another process is PID 1, as in tests, orphaned processes would become its
	// children.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the reaper of orphaned processes: %w", err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	listener, err := s.listen()
	if err != nil {
		return err
	}
	s.log.Info("spawner listening", "socket", s.cfg.Socket)
	go s.keepListening(ctx, listener)
	for {
		select {
		case <-ctx.Done():
			s.end(ended)
			return nil
		case <-ended:
			s.reaper.collect()
		}
	}
}

// listen listens on the socket, and replaces the one that an earlier container left.
func (s *Server) listen() (*net.UnixListener, error) {
	// A user can have put anything in its place.
	if err := os.RemoveAll(s.cfg.Socket); err != nil {
		return nil, fmt.Errorf("replacing the spawner's socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.cfg.Socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening for the SSH server: %w", err)
	}
	listener.SetUnlinkOnClose(false)
	if err := s.openSocket(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("opening the spawner's socket %s to the SSH server: %w", s.cfg.Socket, err)
	}
	return listener, nil
}

// openSocket lets the SSH server, which is another user, connect. As root, the spawner
// gives it the socket. Otherwise every user can connect, and only the check of each
// connection's user id protects the spawner.
func (s *Server) openSocket() error {
	if os.Getuid() == 0 {
		return errors.Join(os.Chown(s.cfg.Socket, s.cfg.SSHUID, -1), os.Chmod(s.cfg.Socket, 0o600))
	}
	return os.Chmod(s.cfg.Socket, 0o666)
}

// socketInterval is the default of Config.SocketInterval.
const socketInterval = 5 * time.Second

// keepListening listens again whenever the socket has been removed, for example by a
// script that cleans /run.
func (s *Server) keepListening(ctx context.Context, listener *net.UnixListener) {
	mine, _ := os.Lstat(s.cfg.Socket)
	go s.accept(listener)
	ticker := time.NewTicker(s.cfg.SocketInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if now, err := os.Lstat(s.cfg.Socket); err == nil && os.SameFile(mine, now) {
			continue
		}
		again, err := s.listen()
		if err != nil {
			s.log.Error("the spawner's socket was removed, and cannot be created again", "error", err)
			continue
		}
		s.log.Warn("the spawner's socket was removed, and was created again")
		listener.Close()
		listener = again
		mine, _ = os.Lstat(s.cfg.Socket)
		go s.accept(listener)
	}
}

func (s *Server) accept(listener *net.UnixListener) {
	for {
		raw, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// The process is probably out of file descriptors. Sessions that end free some.
			s.log.Error("cannot accept a connection of the SSH server", "error", err)
			<-time.After(acceptPause)
			continue
		}
		go s.serve(raw)
	}
}

// acceptPause is how long the spawner waits after it could not accept a connection.
const acceptPause = 50 * time.Millisecond

// requestTimeout is how long the SSH server may take to send a request.
const requestTimeout = 30 * time.Second

// serve serves one connection.
func (s *Server) serve(raw *net.UnixConn) {
	defer s.survive()
	c, err := spawnapi.NewConn(raw, s.cfg.SSHUID)
	if err != nil {
		s.log.Warn("a connection to the spawner was refused", "reason", err.Error())
		return
	}
	defer c.Close()
	var request spawnapi.Request
	if c.SetReadDeadline(time.Now().Add(requestTimeout)) != nil {
		return
	}
	files, err := c.Receive(&request, spawnapi.MaxRequest)
	defer descriptor.CloseAll(files)
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		s.log.Warn("a request of the SSH server cannot be read", "error", err)
		return
	}
	switch {
	case request.Start != nil:
		err = s.serveStart(c, request.Start, request.Relay, files)
	case request.Listen != nil:
		err = s.serveListen(c, request.Listen, request.Relay)
	case request.Dial != nil:
		err = s.serveDial(c, request.Dial, request.Relay)
	case request.Report != nil:
		err = s.serveReport(c, request.Report)
	case request.Attach != nil:
		err = s.streams.serve(c, request.Attach.Stream)
	case request.Probe != nil:
		err = reply(c, spawnapi.Reply{Files: len(files)})
	default:
		err = &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: "The server does not support this until it is restarted: its main container is of an older version.\n"}
	}
	if err == nil {
		return
	}
	refused, ok := errors.AsType[*spawnapi.Refusal](err)
	if !ok {
		refused = &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: err.Error() + "\n"}
	}
	_ = reply(c, spawnapi.Reply{Refused: refused}) // fails only if the SSH server has disconnected
}

// reply sends a reply.
func reply(c *spawnapi.Conn, r spawnapi.Reply, files ...*os.File) error {
	r.Version = spawnapi.Version
	return c.Send(r, files...)
}

func (s *Server) serveReport(c *spawnapi.Conn, request *spawnapi.ReportRequest) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	report := s.cfg.Report(ctx, *request)
	report.Stopping = s.Stopping()
	s.oom.look()
	return reply(c, spawnapi.Reply{Report: &report})
}

// account returns the account of a request.
func (s *Server) account(name string) (*account, error) {
	if a := s.accounts[name]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("this server has no account %q", name)
}

// survive recovers from a panic, so that a fault in one request does not end the
// container. It must be deferred.
func (s *Server) survive() {
	if fault := recover(); fault != nil {
		s.log.Error("recovered from a panic", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
	}
}
