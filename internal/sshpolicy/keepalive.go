package sshpolicy

import (
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// KeepAliveInterval is short enough for NATs and load balancers, which drop a
	// silent connection after a minute or more.
	KeepAliveInterval = 30 * time.Second
	// KeepAliveMisses is after how many intervals without an answer a connection is
	// closed.
	KeepAliveMisses = 4
)

// keepAliveRequest is the name that OpenSSH uses. A client that does not know it answers
// with a failure, which proves just as well that it is connected.
const keepAliveRequest = "keepalive@openssh.com"

// KeepAlive sends a request through conn at every interval until conn ends,
// and closes conn when a request stays unanswered for misses intervals. It
// returns when requests is closed, which means that conn has ended, and refuses all of the
// client's requests. One goroutine does both, because there may be ten thousand
// connections.
func KeepAlive(conn ssh.Conn, requests <-chan *ssh.Request, interval time.Duration, misses int) {
	answered, refused := make(chan struct{}, 1), make(chan struct{}, 1)
	tick := time.NewTicker(interval)
	defer tick.Stop()

	waiting, missed := false, 0
	for next := requests; ; {
		select {
		case request, ok := <-next:
			if !ok {
				return
			}
			if request.WantReply {
				// This blocks while the client reads nothing, until the
				// keep-alive closes conn. One reply at a time is enough.
				next = nil
				go func() {
					_ = request.Reply(false, nil)
					refused <- struct{}{}
				}()
			}
		case <-refused:
			next = requests
		case <-answered:
			waiting, missed = false, 0
		case <-tick.C:
			if !waiting {
				waiting = true
				// Returns when conn ends, at the latest.
				go func() {
					if _, _, err := conn.SendRequest(keepAliveRequest, true, nil); err == nil {
						answered <- struct{}{}
					}
				}()
				continue
			}
			if missed++; missed >= misses {
				_ = conn.Close()
			}
		}
	}
}
