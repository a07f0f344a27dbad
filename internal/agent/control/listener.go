package control

import (
	"net"

	"devserver.io/devserver/internal/sshpolicy"
)

// Limits of the connections to the endpoint, each of which lasts for one request. The
// kubelet and the operator have one each at a time.
const (
	maxConnections           = 64
	maxConnectionsPerAddress = 16
)

// limited is a listener that limits the connections that are open at the same time, in
// total and for each address. It does so as the SSH server limits those that log in:
// when a limit is reached, old and silent connections make room, so that strangers lock
// out neither the kubelet nor the operator. netutil.LimitListener would let these wait.
type limited struct {
	net.Listener
	door *sshpolicy.Door
}

func newLimited(listener net.Listener) limited {
	return limited{listener, sshpolicy.NewDoor(maxConnections, maxConnectionsPerAddress, sshpolicy.HostBits)}
}

// Accept returns the next connection within the limits.
func (l limited) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		visit, err := l.door.Enter(raw.RemoteAddr(), func() { _ = raw.Close() })
		if err != nil {
			_ = raw.Close()
			continue
		}
		return counted{raw, visit}, nil
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	visit *sshpolicy.Visit
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.visit.Heard()
	}
	return n, err
}

func (c counted) Close() error {
	defer c.visit.Leave()
	return c.Conn.Close()
}
