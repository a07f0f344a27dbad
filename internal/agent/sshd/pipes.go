package sshd

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agent/environ"
)

// pipe is one standard stream of a process: ours is read or written here.
type pipe struct{ ours, theirs *os.File }

func (p pipe) close() {
	if p.ours != nil {
		p.ours.Close()
		p.theirs.Close()
	}
}

// runWithPipes runs a command without a terminal. The pipes are made here and
// not by os/exec, whose Wait would tie the end of the process to the end of
// its output.
func (s *session) runWithPipes(cmd *exec.Cmd, vars environ.Vars, kind string) error {
	var in, out, errs pipe
	// Theirs, so that a command may open /dev/stdout by its name.
	err := s.conn.account.as(func() (err error) {
		in, out, errs, err = makePipes()
		return err
	})
	if err != nil {
		return notRunnable(cmd.Args[0], err)
	}
	cmd.Env = vars.List()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in.theirs, out.theirs, errs.theirs
	cmd.SysProcAttr = s.conn.account.attributes()
	running, err := s.conn.server.processes.start(cmd, nil)
	in.theirs.Close()
	out.theirs.Close()
	errs.theirs.Close()
	if err != nil {
		in.close()
		out.close()
		errs.close()
		return err
	}
	s.process, s.output = running, out.ours
	start := time.Now()
	go s.feed(in.ours)
	var output sync.WaitGroup
	carried := s.conn.server.cfg.Traffic.Carried
	output.Go(func() { drain(noting{s.channel, carried}, out.ours) })
	output.Go(func() { drain(noting{s.channel.Stderr(), carried}, errs.ours) })
	go func() {
		defer s.conn.server.processes.done()
		defer s.conn.server.survive("session")
		state := s.conn.server.processes.wait(running)
		output.Wait()
		s.finish(exitMessage(state))
		s.ended(kind, false, state, start)
	}()
	return nil
}

func makePipes() (in, out, errs pipe, err error) {
	defer func() {
		if err != nil {
			in.close()
			out.close()
			errs.close()
		}
	}()
	if in.theirs, in.ours, err = os.Pipe(); err != nil {
		return in, out, errs, err
	}
	if out.ours, out.theirs, err = os.Pipe(); err != nil {
		return in, out, errs, err
	}
	errs.ours, errs.theirs, err = os.Pipe()
	return in, out, errs, err
}

// feed passes on what the client sends, and its end. What a command that has
// closed its input leaves unread is dropped, so that the client can go on.
func (s *session) feed(to *os.File) {
	defer s.conn.server.survive("session input")
	_, err := io.Copy(noting{to, s.conn.server.cfg.Traffic.Carried}, s.channel)
	to.Close()
	if errors.Is(err, syscall.EPIPE) {
		_, _ = io.Copy(io.Discard, s.channel)
	}
}

// drain passes output on until its last writer has closed it. Closing our end
// when the client is gone lets the writer know by SIGPIPE, as in any pipeline.
func drain(to io.Writer, from *os.File) {
	defer from.Close()
	_, _ = io.Copy(to, from)
}
