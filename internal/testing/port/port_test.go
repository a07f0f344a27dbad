package port

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestRefusing(t *testing.T) {
	address := Refusing(t)
	if conn, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting: %v, %v, want %v", conn, err, syscall.ECONNREFUSED)
	}
	if listener, err := net.Listen("tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening: %v, %v, want %v", listener, err, syscall.EADDRINUSE)
	}
}
