package spawnapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"devserver.io/devserver/internal/agent/descriptor"
)

// Process is a process that the spawner has started.
type Process struct {
	// Greeting and Warning are those of the Reply.
	Greeting, Warning string
	// Terminal is the master of its terminal. It is nil for a process with pipes,
	// which has the other three.
	Terminal              Stream
	Stdin, Stdout, Stderr Stream

	conn *Conn
	// sending is held while a message is sent.
	sending sync.Mutex
}

// Start starts a process. The caller must call Close.
func (c *Client) Start(ctx context.Context, start Start) (*Process, error) {
	relay, err := c.relays(ctx)
	if err != nil {
		return nil, err
	}
	if relay || start.Terminal != nil {
		return c.startWithFiles(ctx, start, relay)
	}
	return c.startWithPipes(ctx, start)
}

func newProcess(conn *Conn, reply Reply) *Process {
	return &Process{conn: conn, Greeting: reply.Greeting, Warning: reply.Warning}
}

// startWithFiles starts a process whose terminal or relayed streams are in the reply.
func (c *Client) startWithFiles(ctx context.Context, start Start, relay bool) (*Process, error) {
	conn, reply, files, err := c.request(ctx, Request{Relay: relay, Start: &start})
	if err != nil {
		return nil, err
	}
	p := newProcess(conn, reply)
	if reply.Relayed {
		descriptor.CloseAll(files)
		err = p.attach(ctx, c, start, reply.Streams)
	} else {
		p.Terminal, err = masterOf(files)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

// attach connects to the streams of a process.
func (p *Process) attach(ctx context.Context, c *Client, start Start, numbers []uint64) error {
	want := 3
	if start.Terminal != nil {
		want = 1
	}
	streams, err := c.attachAll(ctx, want, numbers)
	switch {
	case err != nil:
		return err
	case want == 1:
		p.Terminal = streams[0]
	default:
		p.Stdin, p.Stdout, p.Stderr = streams[0], streams[1], streams[2]
	}
	return nil
}

// pipeMode is the mode of a pipe. It lets a command of any user open /dev/stdout by its
// name. Only processes that have the pipe open can reach it.
const pipeMode = 0o666

// startWithPipes starts a process with pipes that the SSH server makes itself. So the
// user's programs never have its ends of the pipes, and cannot change their modes, such
// as non-blocking.
func (c *Client) startWithPipes(ctx context.Context, start Start) (*Process, error) {
	ours, theirs, err := descriptor.Pipes()
	if err != nil {
		return nil, err
	}
	defer descriptor.CloseAll(theirs)
	for _, pipe := range theirs {
		err = errors.Join(err, pipe.Chmod(pipeMode))
	}
	var conn *Conn
	var reply Reply
	if err == nil {
		var files []*os.File
		conn, reply, files, err = c.request(ctx, Request{Start: &start}, theirs...)
		descriptor.CloseAll(files)
	}
	if err != nil {
		descriptor.CloseAll(ours)
		return nil, err
	}
	p := newProcess(conn, reply)
	p.Stdin, p.Stdout, p.Stderr = ours[0], ours[1], ours[2]
	return p, nil
}

// controlTimeout bounds how long the spawner may take to read a message.
const controlTimeout = 5 * time.Second

// Control sends a message about the process. It returns an error if the process has
// ended.
func (p *Process) Control(message Control) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	err := p.conn.SetWriteDeadline(time.Now().Add(controlTimeout))
	if err == nil {
		err = p.conn.Send(message)
	}
	if err != nil {
		p.conn.Close() // A part of the message may have been sent.
	}
	return err
}

// Wait waits until the process has ended. It may be called once. An error means that
// the spawner has ended, and in most cases the process too.
func (p *Process) Wait() (Exit, error) {
	var exit Exit
	files, err := p.conn.Receive(&exit, maxMessage)
	descriptor.CloseAll(files)
	if err != nil {
		return Exit{}, fmt.Errorf("waiting for the process to end: %w", err)
	}
	return exit, nil
}

// HangUp hangs up the terminal. A process without a terminal continues.
func (p *Process) HangUp() {
	if p.Terminal != nil {
		p.Terminal.Close()
		_ = p.Control(Control{HangUp: true}) // fails only if the process has ended
	}
}

// Close ends the connection that belongs to the process.
func (p *Process) Close() {
	p.HangUp()
	p.conn.Close()
}
