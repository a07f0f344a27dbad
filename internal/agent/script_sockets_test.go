package agent_test

import (
	"fmt"
	"io"
	"net"
	"os"
)

// netcat connects to a socket, netcat NETWORK ADDRESS, sends its input, then
// its end, and prints what comes back.
func netcat() {
	check(func() error {
		socket, err := net.Dial(os.Args[1], os.Args[2])
		if err != nil {
			return err
		}
		if _, err := io.Copy(socket, os.Stdin); err != nil {
			return err
		}
		if err := socket.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, socket)
		return err
	}())
}

// socketServer answers each connection, once it has been half-closed, with
// what came over it: socketserver NETWORK ADDRESS FILE. The file gets the
// address.
func socketServer() {
	check(func() error {
		listener, err := net.Listen(os.Args[1], os.Args[2])
		if err != nil {
			return err
		}
		temporary := os.Args[3] + ".tmp"
		if err := os.WriteFile(temporary, []byte(listener.Addr().String()), 0o600); err != nil {
			return err
		}
		if err := os.Rename(temporary, os.Args[3]); err != nil {
			return err
		}
		for {
			socket, err := listener.Accept()
			if err != nil {
				return err
			}
			go func() {
				defer socket.Close()
				text, _ := io.ReadAll(socket)
				fmt.Fprintf(socket, "heard: %s", text)
			}()
		}
	}())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
