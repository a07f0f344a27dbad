package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/test/bench/jump"
)

// greedyName as the first argument makes this program a client that transfers as fast as
// it can. It runs in a separate process so that it does not delay the other clients.
const greedyName = "jump-greedy"

// greed is one stream through a jump host.
type greed struct {
	jump.Way
	Target string
	Upload bool // to the server, else from it
	Inside bool // in an SSH session with the server
	Time   time.Duration
}

// run runs the stream for a time and returns the number of bytes.
func (g greed) run(ctx context.Context, length time.Duration) (float64, error) {
	g.Time = length
	what, err := json.Marshal(g)
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, greedyName, string(what))
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("a stream through the jump host: %w", err)
	}
	var bytes float64
	_, err = fmt.Sscan(string(output), &bytes)
	return bytes, err
}

// runGreedy is the process that run starts.
func runGreedy(args []string) error {
	var g greed
	if err := json.Unmarshal([]byte(args[0]), &g); err != nil {
		return err
	}
	conn, err := g.Tunnel(g.Target)
	if err != nil {
		return err
	}
	stream, err := g.ask(conn)
	if err != nil {
		return err
	}
	var bytes int64
	chunk := make([]byte, 1<<17)
	move := stream.Read
	if g.Upload {
		move = stream.Write
	}
	for begin := time.Now(); time.Since(begin) < g.Time; {
		n, err := move(chunk)
		if err != nil {
			return err
		}
		bytes += int64(n)
	}
	fmt.Println(bytes)
	return nil
}

// ask sends the command to the server, and returns the stream for its data.
func (g greed) ask(conn net.Conn) (io.ReadWriter, error) {
	line := jump.Source(1<<50, 0)
	if g.Upload {
		line = jump.Sink
	}
	if !g.Inside {
		_, err := fmt.Fprintln(conn, line)
		return conn, err
	}
	inner, channels, requests, err := ssh.NewClientConn(conn, g.Target, &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		return nil, err
	}
	session, err := ssh.NewClient(inner, channels, requests).NewSession()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Writer
	}{out, in}, session.Start(line)
}

// open opens n tunnels to a server, each in a separate connection.
func open(ctx context.Context, h *jump.Host, n int, b jump.Server) ([]net.Conn, error) {
	tunnels := make([]net.Conn, n)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	err := each(atOnce, func(int) (err error) {
		for i := range next {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if tunnels[i], err = h.Tunnel(h.Target(b)); err != nil {
				return err
			}
		}
		return nil
	})
	return tunnels, err
}

func closeAll(tunnels []net.Conn) {
	_ = each(len(tunnels), func(i int) error {
		if tunnels[i] != nil {
			_ = tunnels[i].Close()
		}
		return nil
	})
}

// each calls do n times concurrently, and returns the first error.
func each(n int, do func(i int) error) error {
	failed := make(chan error, n)
	for i := range n {
		go func() { failed <- do(i) }()
	}
	var all error
	for range n {
		// If thousands fail, the first error is enough.
		if err := <-failed; all == nil {
			all = err
		}
	}
	return all
}

// talk starts an echo, and sends about as many bytes in both directions as a login and
// the first screen.
func talk(conn net.Conn) error {
	if _, err := fmt.Fprintln(conn, jump.Echo); err != nil {
		return err
	}
	return errors.Join(roundTrip(conn, make([]byte, 10_000)), knock(conn))
}

// knock sends a keystroke and waits for its echo.
func knock(conn net.Conn) error { return roundTrip(conn, []byte{'x'}) }

func roundTrip(conn net.Conn, what []byte) error {
	_, err := conn.Write(what)
	_, err2 := io.ReadFull(conn, what)
	return errors.Join(err, err2)
}
