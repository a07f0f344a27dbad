package agent_test

import (
	"fmt"
	"io"
	"net"
	"os"
)

// netcat NETWORK ADDRESS connects to a socket, sends its standard input, closes that
// direction, and prints what it receives.
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

// socketServer NETWORK ADDRESS FILE listens, and writes its address to a file. It answers
// each connection, once the client has closed its direction, with what it received.
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
