package spawner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agent/pty"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// serveStart starts a process, and serves its connection until both have ended.
func (s *Server) serveStart(c *spawnapi.Conn, request *spawnapi.Start, relay bool, files []*os.File) error {
	a, err := s.account(request.Account)
	if err != nil {
		return err
	}
	cmd, err := a.command(request)
	if err != nil {
		return err
	}
	r := spawnapi.Reply{}
	cmd.Dir, r.Warning = a.startDir()
	stdio, err := s.openStdio(a, cmd, request, relay, files)
	if err != nil {
		return err
	}
	defer stdio.close()
	if request.Kind == spawnapi.KindShell && stdio.master != nil {
		r.Greeting = s.greeting(a)
	}
	p, err := s.start(cmd, stdio.master)
	descriptor.CloseAll(stdio.theirs)
	if err != nil {
		return err
	}
	defer s.sessions.Done()
	if err := s.replyStarted(c, r, stdio, relay); err != nil {
		s.log.Warn("a process started, but the SSH server did not get the reply", "error", err)
		return nil
	}
	s.follow(c, p, stdio.relayed)
	return nil
}

// replyStarted replies with the terminal, or with streams.
func (s *Server) replyStarted(c *spawnapi.Conn, r spawnapi.Reply, stdio *stdio, relay bool) error {
	if !relay && stdio.master != nil {
		err := reply(c, r, stdio.master)
		if !errors.Is(err, unix.ETOOMANYREFS) {
			return err
		}
		// The error means that nothing was sent.
		if err := s.relayTerminal(stdio); err != nil {
			return err
		}
		relay = true
	}
	r.Relayed, r.Streams = relay, stdio.streams
	return reply(c, r)
}

// follow carries out the messages about a process, and reports its end, after the output
// of its terminal if that is relayed. If the SSH server closes the connection earlier,
// follow returns.
func (s *Server) follow(c *spawnapi.Conn, p *process, relayed *relayedTerminal) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer s.survive()
		for {
			var message spawnapi.Control
			files, err := c.Receive(&message, spawnapi.MaxRequest)
			descriptor.CloseAll(files)
			if err != nil {
				return
			}
			_ = p.control(message) // fails only if the process has ended
		}
	}()
	select {
	case <-p.ended:
		if relayed != nil {
			relayed.finish(gone)
		}
		_ = c.Send(s.exit(p.child)) // fails only if the SSH server has disconnected
		// The SSH server closes the connection when its client has read everything.
		<-gone
	case <-gone:
	}
}

// exit describes how a process ended.
func (s *Server) exit(c *child) spawnapi.Exit {
	if !c.status.Signaled() {
		return spawnapi.Exit{Code: c.status.ExitStatus()}
	}
	exit := spawnapi.Exit{Signal: int(c.status.Signal()), Core: c.status.CoreDump()}
	if c.status.Signal() == syscall.SIGKILL && s.oom.explains() {
		exit.Message = fmt.Sprintf("%s (pid %d) was killed: the server reached its memory limit", c.name, c.cmd.Process.Pid)
		if limit := s.cfg.MemoryLimit(); limit > 0 {
			exit.Message += " of " + quantity(limit)
		}
		exit.Message += ".\n"
	}
	return exit
}

// quantity formats a number of bytes as Kubernetes does: 16Gi.
func quantity(bytes int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if bytes%unit.size == 0 {
			return strconv.FormatInt(bytes/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// start starts a command unless the container is being stopped. The caller must call
// sessions.Done if there is no error.
func (s *Server) start(cmd *exec.Cmd, terminal *os.File) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return nil, &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: "This server is stopping.\n"}
	}
	started, err := s.reaper.start(cmd)
	if err != nil {
		return nil, notRunnable(cmd.Path, err)
	}
	p := &process{child: started, reaper: s.reaper, terminal: terminal}
	s.running[p] = true
	s.sessions.Add(1)
	go func() {
		<-p.ended
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, p)
	}()
	return p, nil
}

// command returns the command of a request, with its environment.
func (a *account) command(request *spawnapi.Start) (*exec.Cmd, error) {
	vars := a.environment()
	for _, variable := range request.Env {
		if name, value, ok := strings.Cut(string(variable), "="); ok {
			vars[name] = value
		}
	}
	if request.AgentSocket {
		vars["SSH_AUTH_SOCK"] = a.agents.link()
	}
	var cmd *exec.Cmd
	var err error
	switch request.Kind {
	case spawnapi.KindShell:
		cmd, err = a.loginShell()
	case spawnapi.KindExec:
		cmd, err = a.shellCommand(string(request.Command), vars["PATH"])
	case spawnapi.KindSFTP:
		// In a separate process, so that a crash ends only one transfer, and its
		// memory is freed when the transfer ends.
		cmd = &exec.Cmd{Path: a.cfg.Binary, Args: []string{"devserver-agent", "sftp-server"}}
	default:
		err = fmt.Errorf("this server cannot start a process of kind %q until it is restarted", request.Kind)
	}
	if err != nil {
		return nil, err
	}
	cmd.Env = vars.List()
	cmd.SysProcAttr = a.attributes()
	return cmd, nil
}

// startDir returns the directory in which sessions start: the home directory or,
// with a warning, / if the home does not exist or cannot be entered. The user can
// then still log in to find out why.
func (a *account) startDir() (dir, warning string) {
	home := a.home()
	if info, err := os.Stat(home); err != nil || !info.IsDir() {
		return "/", "The home directory " + home + " does not exist: starting in /.\n"
	}
	err := a.as(func() error { return unix.Faccessat(unix.AT_FDCWD, home, unix.X_OK, unix.AT_EACCESS) })
	if err != nil {
		return "/", "The home directory " + home + " is not accessible to " + a.name + ": starting in /.\n"
	}
	return home, ""
}

// stdio is the standard input, output and error of a process.
type stdio struct {
	// master is the master of the terminal, or nil without one. When it is closed, the
	// kernel hangs up the terminal.
	master *os.File
	// theirs are the process's ends, to close once it has started.
	theirs []*os.File
	// streams are the numbers of relayed streams.
	streams []uint64
	// relayed is the terminal as a relayed stream, or nil.
	relayed *relayedTerminal
	// release closes those that the SSH server has not attached to. It is nil without
	// streams.
	release func()
}

// close closes the files that remain open here.
func (o *stdio) close() {
	descriptor.CloseAll(o.theirs)
	if o.master != nil {
		o.master.Close()
	}
	if o.release != nil {
		o.release()
	}
}

func (s *Server) openStdio(a *account, cmd *exec.Cmd, request *spawnapi.Start, relay bool, files []*os.File) (*stdio, error) {
	switch {
	case request.Terminal != nil:
		return s.openTerminal(a, cmd, request.Terminal, relay)
	case relay:
		return s.openRelayedPipes(a, cmd)
	case len(files) != 3:
		return nil, fmt.Errorf("a process without a terminal requires three pipes, got %d", len(files))
	}
	for _, file := range files {
		// Received files are in non-blocking mode, which programs do not expect.
		if err := descriptor.Use(file, func(fd int) error { return unix.SetNonblock(fd, false) }); err != nil {
			return nil, fmt.Errorf("preparing a pipe: %w", err)
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	return &stdio{theirs: files}, nil
}

func (s *Server) openTerminal(a *account, cmd *exec.Cmd, request *spawnapi.Terminal, relay bool) (*stdio, error) {
	var master, slave *os.File
	err := a.as(func() (err error) {
		master, slave, err = pty.Open()
		return err
	})
	if err != nil {
		return nil, &spawnapi.Refusal{Code: spawnapi.ExitNotExecutable, Text: "Cannot open a terminal: " + err.Error() + "\n"}
	}
	opened := &stdio{master: master, theirs: []*os.File{slave}}
	err = errors.Join(setSize(master, request.Size), applyModes(slave, string(request.Modes)))
	if err == nil && relay {
		err = s.relayTerminal(opened)
	}
	if err != nil {
		opened.close()
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(cmd.Env, "SSH_TTY="+slave.Name())
	cmd.SysProcAttr.Setctty = true // its standard input
	return opened, nil
}

// relayTerminal relays a second descriptor of the master, so that the first can be
// closed to hang up.
func (s *Server) relayTerminal(opened *stdio) error {
	fd, err := descriptor.Duplicate(opened.master)
	if err != nil {
		return fmt.Errorf("relaying a terminal: %w", err)
	}
	opened.relayed = newRelayedTerminal(os.NewFile(uintptr(fd), opened.master.Name()))
	opened.streams, opened.release = s.streams.add(opened.relayed)
	return nil
}

func (s *Server) openRelayedPipes(a *account, cmd *exec.Cmd) (*stdio, error) {
	var ours, theirs []*os.File
	// The account makes them, so that a command can open /dev/stdout by its name.
	err := a.as(func() (err error) {
		ours, theirs, err = descriptor.Pipes()
		return err
	})
	if err != nil {
		return nil, notRunnable(cmd.Args[0], err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	opened := &stdio{theirs: theirs}
	opened.streams, opened.release = s.streams.add(ours[0], ours[1], ours[2])
	return opened, nil
}
