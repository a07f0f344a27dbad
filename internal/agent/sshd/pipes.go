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

// runWithPipes runs a command without a terminal. It creates the pipes itself
// because os/exec's Wait would wait for the end of the output as well.
func (s *session) runWithPipes(cmd *exec.Cmd, vars environ.Vars, kind string) error {
	var ours, theirs pipeEnds
	// As the account, so that a command may open /dev/stdout by its name.
	err := s.conn.account.as(func() (err error) {
		ours, theirs, err = makePipes()
		return err
	})
	if err != nil {
		return notRunnable(cmd.Args[0], err)
	}
	cmd.Env = vars.List()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	cmd.SysProcAttr = s.conn.account.attributes()
	running, err := s.conn.server.processes.start(cmd, nil)
	theirs.close()
	if err != nil {
		ours.close()
		return err
	}
	s.process, s.output = running, ours[1]
	start := time.Now()
	go s.feed(ours[0])
	var output sync.WaitGroup
	carried := s.conn.server.cfg.Traffic.Carried
	output.Go(func() { drain(countingWriter{s.channel, carried}, ours[1]) })
	output.Go(func() { drain(countingWriter{s.channel.Stderr(), carried}, ours[2]) })
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

// pipeEnds are one side of the pipes for standard input, output and error.
type pipeEnds [3]*os.File

func (e pipeEnds) close() {
	for _, end := range e {
		end.Close()
	}
}

// makePipes returns the agent's ends of the pipes, and those of the process.
func makePipes() (ours, theirs pipeEnds, err error) {
	for i := range ours {
		if ours[i], theirs[i], err = os.Pipe(); err != nil {
			ours.close()
			theirs.close()
			return ours, theirs, err
		}
	}
	ours[0], theirs[0] = theirs[0], ours[0] // the process reads its input
	return ours, theirs, nil
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
