// Package hangup tells tests whether the other side has closed a connection.
package hangup

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Of reports whether the other side of a TCP connection has closed or reset it by now. It
// reads nothing.
func Of(t testing.TB, conn net.Conn) bool {
	t.Helper()
	socket, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	err = socket.Control(func(fd uintptr) {
		state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if _, err := unix.Poll(state, 0); err != nil {
			t.Error(err)
		}
		closed = state[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return closed
}
