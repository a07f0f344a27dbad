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

// pipe is one standard stream of a process. The agent has the end ours, and the
// process has the end theirs.
type pipe struct{ ours, theirs *os.File }

func (p pipe) close() {
	if p.ours != nil {
		p.ours.Close()
		p.theirs.Close()
	}
}

// runWithPipes runs a command without a terminal. It creates the pipes itself
// because os/exec's Wait would wait for the end of the output as well.
func (s *session) runWithPipes(cmd *exec.Cmd, vars environ.Vars, kind string) error {
	var in, out, errs pipe
	// As the account, so that a command may open /dev/stdout by its name.
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
	output.Go(func() { drain(countingWriter{s.channel, carried}, out.ours) })
	output.Go(func() { drain(countingWriter{s.channel.Stderr(), carried}, errs.ours) })
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

// feed copies the client's input to the command, and closes the command's input
// at its end. If the command has closed its input before, feed discards the
// rest, so that the client is not blocked.
func (s *session) feed(to *os.File) {
	defer s.conn.server.survive("session input")
	_, err := io.Copy(countingWriter{to, s.conn.server.cfg.Traffic.Carried}, s.channel)
	to.Close()
	if errors.Is(err, syscall.EPIPE) {
		_, _ = io.Copy(io.Discard, s.channel)
	}
}

// drain copies output to the client until its last writer has closed it. If the
// client has disconnected, drain closes its end of the pipe, and the writer gets
// SIGPIPE, as in any pipeline.
func drain(to io.Writer, from *os.File) {
	defer from.Close()
	_, _ = io.Copy(to, from)
}
