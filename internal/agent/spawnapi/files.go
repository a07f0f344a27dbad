package spawnapi

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
)

// Stream is the SSH server's end of a process's pipe or terminal.
type Stream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
	Close() error
}

// exactly returns the files if there are as many as wanted. Otherwise, it closes them
// and returns an error.
func exactly(want int, files []*os.File) ([]*os.File, error) {
	if len(files) == want {
		return files, nil
	}
	descriptor.CloseAll(files)
	return nil, fmt.Errorf("the spawner sent %d files instead of %d", len(files), want)
}

// masterOf returns the only file, which must be the master of a terminal.
func masterOf(files []*os.File) (Stream, error) {
	files, err := exactly(1, files)
	if err != nil {
		return nil, err
	}
	if err := isMaster(files[0]); err != nil {
		descriptor.CloseAll(files)
		return nil, err
	}
	return received{files[0]}, nil
}

// received is a file that the spawner has open too. The spawner can put it into blocking
// mode, and os.File.Close waits for a read that blocks.
type received struct{ *os.File }

// Close does not wait.
func (r received) Close() error {
	go r.File.Close()
	return nil
}

// receivedConn is a socket that the spawner has open too.
type receivedConn struct{ *net.UnixConn }

// Close ends reads, and does not wait for them.
func (r receivedConn) Close() error {
	shutDown(r.UnixConn)
	go r.UnixConn.Close()
	return nil
}

// shutDown ends operations on a socket, also those that block in the kernel.
func shutDown(socket syscall.Conn) {
	_ = descriptor.Use(socket, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }) // fails if it is closed
}

// isMaster returns an error if a file is not the master of a pseudo-terminal. Reading
// another kind of file could block forever.
func isMaster(file *os.File) error {
	return descriptor.Use(file, func(fd int) error {
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return errors.New("the spawner sent a file that is not the master of a terminal")
		}
		return nil
	})
}

// isSocket returns an error unless a file is a stream socket of one of the families
// that is in the wanted state, listening or not.
func isSocket(file *os.File, listening bool, families ...int) error {
	return descriptor.Use(file, func(fd int) error {
		options := map[int]int{unix.SO_TYPE: 0, unix.SO_ACCEPTCONN: 0, unix.SO_DOMAIN: 0}
		for option := range options {
			value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
			if err != nil {
				return errors.New("the spawner sent a file that is not a socket")
			}
			options[option] = value
		}
		ok := options[unix.SO_TYPE] == unix.SOCK_STREAM && (options[unix.SO_ACCEPTCONN] != 0) == listening
		for _, family := range families {
			if ok && options[unix.SO_DOMAIN] == family {
				return nil
			}
		}
		return errors.New("the spawner sent a socket of another kind than requested")
	})
}

// socketOf returns the connection of a file, which it closes.
func socketOf(file *os.File) (net.Conn, error) {
	defer file.Close()
	if err := isSocket(file, false, unix.AF_UNIX); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return receivedConn{conn.(*net.UnixConn)}, nil
}

// listenerOf returns the listener of a file, which it closes.
func listenerOf(file *os.File) (net.Listener, error) {
	defer file.Close()
	if err := isSocket(file, true, unix.AF_UNIX, unix.AF_INET, unix.AF_INET6); err != nil {
		return nil, err
	}
	return net.FileListener(file)
}
