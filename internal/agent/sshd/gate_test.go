package sshd

import (
	"net"
	"sync/atomic"
)

// gate is a connection on which the client can no longer send once it is shut.
// The connection stays open.
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
