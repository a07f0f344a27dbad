package sshd

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// restartTime is how long a session waits for the user's container to be restarted, for
// example after it ran out of memory. The kubelet waits longer before each restart.
const (
	restartTime  = 5 * time.Minute
	restartRetry = 200 * time.Millisecond
)

// start starts the session's process, and calls begin with it. While the user's container
// is not running, start prints that to the client, returns, and starts the process later.
func (s *session) start(request spawnapi.Start, begin func(*spawnapi.Process)) error {
	sessions := s.conn.server.sessions
	if err := sessions.begin(); err != nil {
		return err
	}
	process, err := s.conn.server.cfg.Spawner.Start(s.ctx, request)
	switch {
	case err == nil:
		s.started(process, begin)
	case errors.Is(err, spawnapi.ErrUnavailable):
		_, _ = io.WriteString(s.channel.Stderr(), s.lines("The container with your processes is being restarted. Please wait.\n"))
		go s.startLater(request, begin)
	default:
		sessions.done()
		return err
	}
	return nil
}

// started begins to serve a process.
func (s *session) started(process *spawnapi.Process, begin func(*spawnapi.Process)) {
	s.process = process
	s.conn.server.sessions.add(process)
	_, _ = io.WriteString(s.channel.Stderr(), s.lines(process.Warning))
	begin(process)
}

// startLater starts a process once the user's container is running, and then hands it to
// the goroutine that serves the session's requests. If the client closes the session
// earlier, no process is left running.
func (s *session) startLater(request spawnapi.Start, begin func(*spawnapi.Process)) {
	process, err := s.retry(request)
	then := func() {
		if err != nil {
			s.conn.server.sessions.done()
			s.refuse(request.Kind, err)
			return
		}
		s.started(process, begin)
	}
	select {
	case s.later <- then:
	case <-s.ctx.Done():
		s.conn.server.sessions.done()
		if err == nil {
			_ = process.Control(spawnapi.Control{Signal: int(syscall.SIGKILL)}) // fails only if it has ended
			process.Close()
		}
	}
}

// retry starts a process once the user's container is running.
func (s *session) retry(request spawnapi.Start) (*spawnapi.Process, error) {
	ctx, cancel := context.WithTimeout(s.ctx, restartTime)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil, spawnapi.ErrUnavailable
		case <-time.After(restartRetry):
		}
		process, err := s.conn.server.cfg.Spawner.Start(ctx, request)
		if err == nil || !errors.Is(err, spawnapi.ErrUnavailable) {
			return process, err
		}
	}
}

// containerEnded is what a session prints when its process ended together with all others.
const containerEnded = "All processes of this server ended because its container ended, most likely because it reached its memory limit. The container is being restarted.\n"

// awaitEnd waits for the process to end, finishes the output, and sends the client the
// exit status.
func (s *session) awaitEnd(request spawnapi.Start, process *spawnapi.Process, start time.Time, finishOutput func()) {
	defer s.conn.server.sessions.done()
	defer s.conn.server.survive("session")
	defer process.Close()
	defer s.conn.server.sessions.remove(process)
	exit, err := process.Wait()
	if err != nil {
		exit = spawnapi.Exit{Signal: int(syscall.SIGKILL), Message: containerEnded}
	}
	finishOutput()
	_, _ = io.WriteString(s.channel.Stderr(), s.lines(exit.Message))
	s.finish(exitMessage(exit))
	s.ended(request, exit, start)
}

// runWithPipes starts a command without a terminal.
func (s *session) runWithPipes(request spawnapi.Start) error {
	return s.start(request, func(process *spawnapi.Process) {
		s.stop = func() { process.Stdout.Close() }
		start := time.Now()
		go s.feed(process.Stdin)
		var output sync.WaitGroup
		carried := s.conn.server.cfg.Traffic.Carried
		output.Go(func() { drain(countingWriter{s.channel, carried}, process.Stdout) })
		output.Go(func() { drain(countingWriter{s.channel.Stderr(), carried}, process.Stderr) })
		go s.awaitEnd(request, process, start, output.Wait)
	})
}

// feed copies the client's input to the command, and closes the command's input
// at its end. If the command closes its input earlier, feed discards the rest, so
// that the client is not blocked.
func (s *session) feed(to io.WriteCloser) {
	defer s.conn.server.survive("session input")
	_, _ = io.Copy(countingWriter{to, s.conn.server.cfg.Traffic.Carried}, s.channel)
	to.Close()
	_, _ = io.Copy(io.Discard, s.channel)
}

// drain copies output to the client until its last writer has closed it. If the
// client has disconnected, drain closes its end of the pipe, and the writer gets
// SIGPIPE, as in any pipeline.
func drain(to io.Writer, from io.ReadCloser) {
	defer from.Close()
	_, _ = io.Copy(to, from)
}
