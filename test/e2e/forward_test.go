package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	contract "devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/test/openssh"
)

// master opens a connection that other commands share and that is closed at the end
// of the test. It returns the options for using it. ssh -f returns once the
// connection and its forwards are established.
func (b *server) master(options ...string) []string {
	b.Helper()
	shared, err := b.tryMaster(options...)
	if err != nil {
		b.Fatal(err)
	}
	return shared
}

// masterAtPort opens a shared connection that listens on a local port. OpenSSH does
// not accept port 0 for that, and a port that was free a moment ago may be in use
// now. masterAtPort then tries another one.
func (b *server) masterAtPort(options func(address string) []string) (address string) {
	b.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		address = l.Addr().String()
		_ = l.Close()
		_, err = b.tryMaster(options(address)...)
		if err == nil {
			return address
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			b.Fatal(err)
		}
	}
}

func (b *server) tryMaster(options ...string) ([]string, error) {
	b.Helper()
	socket := filepath.Join(b.shortDir(), "ctl")
	options = append(options, "-f", "-N", "-M", "-S", socket, "-o", "ExitOnForwardFailure=yes")
	cmd := b.client.Command(b.bounded(), options)
	// A file instead of a pipe, because the ssh to a jump host stays in the
	// background and keeps its output open.
	output, err := os.Create(filepath.Join(b.TempDir(), "output"))
	if err != nil {
		b.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(output.Name())
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text)
	}
	b.Cleanup(func() {
		_ = b.client.Command(context.Background(), []string{"-S", socket, "-O", "exit"}).Run()
	})
	return []string{"-S", socket}, nil
}

// shortDir returns a folder whose path is short enough for the path of a socket.
func (s *site) shortDir() string {
	s.Helper()
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// upper serves a listener that returns its input in upper case.
func (s *site) upper(network, address string) net.Listener {
	s.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			data, _ := io.ReadAll(c)
			_, _ = io.WriteString(c, strings.ToUpper(string(data)))
			_ = c.Close()
		}
	}()
	return l
}

// ask sends a word to an address, closes its side and returns the answer.
func (s *site) ask(network, address, word string) string {
	s.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, word); err != nil {
		s.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		s.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		s.Fatal(err)
	}
	return string(answer)
}

// inServer is a Python program that sends a word to a socket on the server.
const inServer = `import socket
s = socket.socket(%s); s.connect(%s); s.sendall(b"hello"); s.shutdown(socket.SHUT_WR)
print(s.makefile().read())`

// serveInServer is a Python program that answers one connection on the server.
const serveInServer = `import socket
l = socket.socket(%s); l.bind(%s); l.listen()
print(l.getsockname(), flush=True)
c, _ = l.accept(); c.sendall(c.makefile("rb").read().upper()); c.close()`

// localForward forwards the server's own SSH port with -L, and logs in through it.
func localForward(b *server) {
	address := b.masterAtPort(func(address string) []string {
		return []string{"-L", fmt.Sprintf("%s:127.0.0.1:%d", address, contract.SSHPort)}
	})
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		b.Fatal(err)
	}
	if r := b.try("whoami", "-p", port, "-o", "HostName=127.0.0.1", "-o", "ProxyJump=none"); r.Stdout != "dev\n" {
		b.Errorf("login through -L: %+v", r)
	}
}

// localForwardUnix connects to a unix socket on the server.
func localForwardUnix(b *server) {
	local := filepath.Join(b.shortDir(), "s")
	cmd := b.client.Command(b.bounded(), []string{"-L", local + ":/home/dev/l.sock", "-o", "ExitOnForwardFailure=yes"},
		"python3", "-")
	cmd.Stdin = strings.NewReader(fmt.Sprintf(serveInServer, "socket.AF_UNIX", `"/home/dev/l.sock"`))
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.line(out) // the server listens
	if got := b.ask("unix", local, "hello"); got != "HELLO" {
		b.Errorf("through -L to a unix socket: %q", got)
	}
	if err := cmd.Wait(); err != nil {
		b.Errorf("the server in the server: %v", err)
	}
}

// remoteForward gives the server access to a local port, through a port that the
// client chooses and through one that the server chooses.
func remoteForward(b *server) {
	outside := b.upper("tcp", "127.0.0.1:0").Addr().String()
	python := fmt.Sprintf(inServer, "", `("127.0.0.1", %s)`)
	r := b.try(fmt.Sprintf("python3 -c '%s'", fmt.Sprintf(python, "18080")), "-R", "18080:"+outside)
	if r.Stdout != "HELLO\n" {
		b.Errorf("through -R 18080: %+v", r)
	}

	shared := b.master()
	port := strings.TrimSpace(b.must(b.client.Command(b.bounded(), append(shared, "-O", "forward", "-R", "0:"+outside))))
	r = b.try(fmt.Sprintf("python3 -c '%s'", fmt.Sprintf(python, port)), shared...)
	if r.Stdout != "HELLO\n" {
		b.Errorf("through -R 0, port %q: %+v", port, r)
	}
	// The port is free again when the client cancels the forward.
	b.must(b.client.Command(b.bounded(), append(shared, "-O", "cancel", "-R", "0:"+outside)))
	b.eventually("the port of a cancelled -R is closed", func() bool {
		return b.try(fmt.Sprintf("python3 -c '%s'", fmt.Sprintf(python, port)), shared...).Code != 0
	})
}

// remoteForwardUnix gives the server access to a local unix socket.
func remoteForwardUnix(b *server) {
	outside := filepath.Join(b.shortDir(), "s")
	b.upper("unix", outside)
	python := fmt.Sprintf(inServer, "socket.AF_UNIX", `"/home/dev/r.sock"`)
	r := b.try(fmt.Sprintf("python3 -c '%s'", python), "-R", "/home/dev/r.sock:"+outside)
	if r.Stdout != "HELLO\n" {
		b.Errorf("through -R to a unix socket: %+v", r)
	}
	b.eventually("the socket of a finished -R is removed", func() bool { return b.try("test ! -e ~/r.sock").Code == 0 })
}

// agentForward: the server can use the client's agent with -A, and only then.
func agentForward(b *server) {
	key, err := openssh.NewKey(b.Context(), b.TempDir(), "in-the-agent", "ed25519")
	if err != nil {
		b.Fatal(err)
	}
	socket := b.startAgent(key)
	with := b.client.Command(b.bounded(), []string{"-A"}, "ssh-add -L")
	with.Env = append(with.Env, "SSH_AUTH_SOCK="+socket)
	if got := b.must(with); got != key.Public {
		b.Errorf("ssh-add -L in the server: %q, want %q", got, key.Public)
	}
	without := b.client.Command(b.bounded(), nil, "ssh-add -L")
	without.Env = append(without.Env, "SSH_AUTH_SOCK="+socket)
	if r := b.do(without); r.Code == 0 {
		b.Errorf("the server has an agent without -A: %s", r.Stdout)
	}
}

// startAgent runs an ssh-agent with the key until the test ends.
func (s *site) startAgent(key openssh.Key) (socket string) {
	s.Helper()
	socket = filepath.Join(s.shortDir(), "agent")
	// The agent moves to the background once its socket exists.
	printed := s.must(openssh.Tool(s.bounded(), "ssh-agent", "-s", "-a", socket))
	pid, _, _ := strings.Cut(strings.SplitAfter(printed, "SSH_AGENT_PID=")[1], ";")
	s.Cleanup(func() { kill(s.T, pid) })
	add := openssh.Tool(s.bounded(), "ssh-add", "-q", key.File)
	add.Env = append(add.Env, "SSH_AUTH_SOCK="+socket)
	s.must(add)
	return socket
}
