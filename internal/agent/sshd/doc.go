// Package sshd is the SSH server that runs in every dev server, in a container of its
// own. For users it behaves like OpenSSH's sshd. The spawner in the user's container
// starts the processes of sessions and passes their terminals and pipes to it.
//
// It is built directly on golang.org/x/crypto/ssh. gliderlabs/ssh and its fork
// tailscale/gliderssh were considered. Both serve a session's requests in a
// separate goroutine and hide the channel behind an io.ReadWriter. That rules
// out half-closed streams, signals and window changes in order, unix-socket
// forwarding that can be cancelled, and a check of the key for each channel.
// They also pass the identity of a login through their context instead of the
// permissions of the verified key. They would save a few hundred lines.
//
// One difference from sshd is intended: remote forwards (-R) bind the loopback
// addresses only, as with GatewayPorts=no, whatever address the client requests.
//
// As with sshd, the channel of a command without a terminal stays open until
// every process that holds its output has closed it, so that no output is lost.
// A background job must redirect its output if it is to outlive the session. The
// channel of a terminal ends with its shell, and the terminal is closed, which
// hangs up the processes on it. No other process gets a signal when a connection
// ends.
package sshd
