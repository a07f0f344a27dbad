package sshd

import (
	"net"
	"sync/atomic"
)

// gate is a connection whose client falls silent when it is shut: nothing
// more is sent, and nothing ends.
type gate struct {
	net.Conn
	shut   atomic.Bool
	opened chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	if g.shut.Load() {
		<-g.opened
		return 0, net.ErrClosed
	}
	return g.Conn.Write(p)
}
