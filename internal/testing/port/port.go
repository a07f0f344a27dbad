// Package port gives tests addresses at which connections are refused.
package port

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// Refusing returns a loopback address, HOST:PORT, that refuses connections until the
// test ends. A port that a listener has just left would do so as well, until another
// program gets it; this one is bound, but not listened on.
func Refusing(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}
