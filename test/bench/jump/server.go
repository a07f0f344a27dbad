package jump

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	contract "devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// Server is a stand-in for a dev server behind the jump host.
type Server struct{ Name, IP string }

// Namespace is the namespace of the servers.
const Namespace = "bench"

var serverPort = strconv.Itoa(contract.SSHPort)

// The servers. Raw runs the command in the first line that it receives. SSH is an SSH
// server like the agent's, which runs the command of a session. Both are on loopback.
var (
	Raw = Server{"raw", "127.77.0.1"}
	SSH = Server{"ssh", "127.77.0.2"}
)

// Commands of a server, together with Source. Echo returns all input. Sink discards it and
// returns the number of bytes.
const (
	Echo = "echo"
	Sink = "sink"
)

// Source returns the command to send a number of bytes at a pace in bytes per second, or as
// fast as possible if pace is 0.
func Source(bytes, pace int) string { return fmt.Sprintf("source %d %d", bytes, pace) }

// ServeServers serves both servers until ctx ends.
func ServeServers(ctx context.Context) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	hostKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	config := sshpolicy.ServerConfig()
	config.NoClientAuth = true // only local processes can connect to loopback
	config.AddHostKey(hostKey)
	failed := make(chan error, 2)
	for b, serve := range map[Server]func(net.Conn){
		Raw: func(c net.Conn) { _ = runLine(c) },
		SSH: func(c net.Conn) { serveSSH(c, config) },
	} {
		listener, err := net.Listen("tcp", net.JoinHostPort(b.IP, serverPort))
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = listener.Close() })
		go func() { failed <- accept(listener, serve) }()
	}
	return <-failed
}

func accept(listener net.Listener, serve func(net.Conn)) error {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

func serveSSH(raw net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := sshpolicy.Handshake(raw, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for requested := range channels {
		channel, requests, err := requested.Accept()
		if err != nil {
			return
		}
		go func() {
			for request := range requests {
				var line struct{ Command string }
				ok := request.Type == "exec" && ssh.Unmarshal(request.Payload, &line) == nil
				_ = request.Reply(ok, nil)
				if ok {
					_ = runCommand(channel, line.Command)
					_ = channel.Close()
				}
			}
		}()
	}
}

func runLine(conn io.ReadWriter) error {
	in := bufio.NewReaderSize(conn, 64)
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	return runCommand(struct {
		io.Reader
		io.Writer
	}{io.MultiReader(io.LimitReader(in, int64(in.Buffered())), conn), conn}, line)
}

// runCommand runs the command in a line.
func runCommand(conn io.ReadWriter, line string) error {
	var total, pace int
	if n, _ := fmt.Sscanf(line, "source %d %d", &total, &pace); n == 2 {
		return send(conn, total, pace)
	}
	switch string(bytes.TrimSpace([]byte(line))) {
	case Echo:
		_, err := io.Copy(conn, conn)
		return err
	case Sink:
		n, err := io.Copy(io.Discard, conn)
		_, err2 := fmt.Fprintln(conn, n)
		return errors.Join(err, err2)
	}
	return fmt.Errorf("unknown command %q", line)
}

// pattern is the data that a server sends, repeatedly. Its length is a prime, so that lost
// or repeated blocks do not go unnoticed.
var pattern = func() []byte {
	p := make([]byte, 65521)
	_, _ = mathrand.NewChaCha8([32]byte{}).Read(p)
	return p
}()

// perSecond is how often a paced source sends.
const perSecond = 10

func send(to io.Writer, total, pace int) error {
	piece := 1 << 18
	var tick <-chan time.Time
	if pace > 0 {
		piece = pace / perSecond
		ticker := time.NewTicker(time.Second / perSecond)
		defer ticker.Stop()
		tick = ticker.C
	}
	twice := bytes.Repeat(pattern, 2+piece/len(pattern))
	for sent := 0; sent < total; {
		at, n := sent%len(pattern), min(piece, total-sent)
		if _, err := to.Write(twice[at : at+n]); err != nil {
			return err
		}
		sent += n
		if tick != nil {
			<-tick
		}
	}
	return nil
}

// Receive reads the data of a source to its end, and returns the number of bytes that are
// right, up to the first wrong one.
func Receive(from io.Reader) (right int, err error) {
	buf := make([]byte, 1<<12)
	for {
		n, err := from.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			want := pattern[right%len(pattern):]
			m := min(len(rest), len(want))
			if !bytes.Equal(rest[:m], want[:m]) {
				return right, fmt.Errorf("the data is wrong after %d bytes", right)
			}
			right, rest = right+m, rest[m:]
		}
		if errors.Is(err, io.EOF) {
			return right, nil
		}
		if err != nil {
			return right, err
		}
	}
}
