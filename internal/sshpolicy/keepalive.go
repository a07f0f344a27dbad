package sshpolicy

import (
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// KeepAliveInterval is short enough for the NATs and load balancers that
	// forget a silent connection after a minute or more.
	KeepAliveInterval = 30 * time.Second
	// KeepAliveMisses is how many intervals a client may leave unanswered.
	KeepAliveMisses = 4
)

// keepAliveRequest is OpenSSH's name for it; a client that does not know it
// answers with a failure, which is as good.
const keepAliveRequest = "keepalive@openssh.com"

// KeepAlive sends a request through conn at every interval until conn ends,
// and closes conn when a request stays unanswered for misses intervals. It
// returns when conn has ended, which it learns from the client's own requests;
// it refuses them all. One goroutine does both: there may be ten thousand
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
				// A client that reads nothing holds this up, but one reply
				// only, and until it is found out.
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
				// Ends with conn at the latest.
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
