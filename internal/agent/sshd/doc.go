// Package sshd is a box's SSH server. It behaves as OpenSSH's does wherever a
// user could tell, and needs neither root nor anything of the box's image.
//
// It stands on golang.org/x/crypto/ssh alone. gliderlabs/ssh and its fork
// tailscale/gliderssh were considered: both run a session's requests in a
// goroutine of their own and hide the channel behind an io.ReadWriter, which
// leaves no place for half-closed streams, for signals and window changes in
// order, for unix-socket forwarding with its own cancellation, or for an
// authorisation of each channel; and the identity of a login would go through
// their context instead of the permissions of the verified key. What they
// save is a few hundred lines, which stand here in full sight.
//
// One difference to sshd is on purpose: remote forwards (-R) bind the
// loopback addresses only, as with GatewayPorts=no, whatever the client asks.
//
// As with sshd, the channel of a command without a terminal stays open until
// all that holds its output has closed it, so that nothing is lost; redirect
// the output of a job that is to stay behind. The channel of a terminal ends
// with its shell, and with it the terminal: whatever runs on it is hung up.
// Nothing else is ever signalled because a connection ends.
package sshd
