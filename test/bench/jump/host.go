// Package jump runs two SSH jump hosts, the gateway and OpenSSH's sshd, with servers behind
// them, and connects through them as a client, so that both are measured in the same way.
// Everything listens on loopback and writes to one folder.
package jump

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/test/bench/plane"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// Host is a running jump host.
type Host struct {
	*plane.Process
	Name string
	Way
	// direct is set if clients use a server's address instead of its name.
	direct bool
}

// Way is the information that a client needs to connect to a jump host.
type Way struct {
	Address string
	HostKey string // a line of authorized_keys
	User    string
	KeyFile string
}

// Gateway starts bin/gateway with servers to which the client's key may log in.
func Gateway(ctx context.Context, dir string, hostKey, clientKey openssh.Key) (*Host, error) {
	program, err := cluster.Binary("gateway")
	if err != nil {
		return nil, err
	}
	kubeconfig, err := serveWatches(ctx, dir, clientKey.Public)
	if err != nil {
		return nil, err
	}
	h, err := newHost("gateway", hostKey, clientKey)
	if err != nil {
		return nil, err
	}
	// The chart's defaults, except that one user has all connections.
	env := []string{"GOGC=50", "GOMEMLIMIT=1800MiB"}
	h.Process, err = plane.Run(filepath.Join(dir, "gateway.log"), env, program,
		"--listen", h.Address, "--host-key", hostKey.File, "--kubeconfig", kubeconfig,
		"--max-connections-per-user=20000", "--max-connections=20000")
	if err != nil {
		return nil, err
	}
	return h, h.await(ctx)
}

// sshdConfig accepts the client's key, without a limit on connections.
const sshdConfig = `ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
UseDNS no
LogLevel INFO
MaxStartups 10000
PerSourceMaxStartups none
`

// sshdProgram is the path of sshd in Debian's package openssh-server.
const sshdProgram = "/usr/sbin/sshd"

// Sshd starts OpenSSH's server without the limits on simultaneous clients.
func Sshd(ctx context.Context, dir string, hostKey, clientKey openssh.Key) (*Host, error) {
	if _, err := os.Stat(sshdProgram); err != nil {
		return nil, fmt.Errorf("OpenSSH's server is missing: install it with \"tools/debian-packages openssh-server\": %w", err)
	}
	if os.Getuid() == 0 {
		// sshd requires this folder for privilege separation.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	h, err := newHost("sshd", hostKey, clientKey)
	if err != nil {
		return nil, err
	}
	h.direct = true
	config := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(config, fmt.Appendf(nil, sshdConfig, h.Address, hostKey.File, clientKey.File+".pub"), 0o600); err != nil {
		return nil, err
	}
	h.Process, err = plane.Run(filepath.Join(dir, "sshd.log"), nil, sshdProgram, "-D", "-e", "-f", config)
	if err != nil {
		return nil, err
	}
	return h, h.await(ctx)
}

func newHost(name string, hostKey, clientKey openssh.Key) (*Host, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	return &Host{Name: name, Way: Way{Address: address, HostKey: hostKey.Public, User: me.Username, KeyFile: clientKey.File}}, nil
}

// await waits until the jump host accepts a login.
func (h *Host) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for {
		c, err := h.Login()
		if err == nil {
			return c.Close()
		}
		if ended := h.Ended(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s does not accept logins: %w", h.Name, err), h.Stop())
		case <-pace.C:
		}
	}
}

// Algorithms describes the jump host's version and the algorithms that it negotiates.
func (h *Host) Algorithms() (string, error) {
	c, err := h.Login()
	if err != nil {
		return "", err
	}
	defer c.Close()
	text := string(c.ServerVersion())
	if conn, ok := c.Conn.(ssh.AlgorithmsConnMetadata); ok {
		a := conn.Algorithms()
		text += fmt.Sprintf(", %s, %s, host key %s", a.KeyExchange, a.Read.Cipher, a.HostKey)
	}
	return text, nil
}

// Target returns the address that a client requests from the jump host for a server.
func (h *Host) Target(b Server) string {
	if h.direct {
		return net.JoinHostPort(b.IP, serverPort)
	}
	return net.JoinHostPort(b.Name+"."+Namespace, "22")
}

// Login connects to the jump host and authenticates.
func (w Way) Login() (*ssh.Client, error) {
	pem, err := os.ReadFile(w.KeyFile)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(w.HostKey))
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", w.Address, &ssh.ClientConfig{
		User:            w.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
}

// Tunnel logs in and connects to a server. Closing the tunnel closes the login too.
func (w Way) Tunnel(target string) (net.Conn, error) {
	c, err := w.Login()
	if err != nil {
		return nil, err
	}
	conn, err := c.Dial("tcp", target)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return &tunnel{Conn: conn, jump: c}, nil
}

// tunnel closes its connection to the jump host when it is closed.
type tunnel struct {
	net.Conn
	jump *ssh.Client
}

func (t *tunnel) Close() error {
	_ = t.Conn.Close()
	return t.jump.Close()
}
