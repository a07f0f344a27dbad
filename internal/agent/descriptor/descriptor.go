// Package descriptor works with the descriptors of open files that the Go runtime polls.
// Unlike File.Fd, its functions leave a file in non-blocking mode.
package descriptor

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Use calls do with the descriptor of a file or a socket, which stays open meanwhile.
func Use(open syscall.Conn, do func(fd int) error) error {
	raw, err := open.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) { result = do(int(fd)) })
	return errors.Join(err, result)
}

// Duplicate returns another descriptor for the same open file. The caller must close it.
func Duplicate(open syscall.Conn) (duplicate int, err error) {
	err = Use(open, func(fd int) (err error) {
		duplicate, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return duplicate, err
}

// Pipes returns both ends of the three pipes of a process. The first is the process's
// input, and the others are its outputs.
func Pipes() (ours, theirs []*os.File, err error) {
	for range 3 {
		read, write, err := os.Pipe()
		if err != nil {
			CloseAll(ours)
			CloseAll(theirs)
			return nil, nil, fmt.Errorf("opening a pipe: %w", err)
		}
		ours, theirs = append(ours, read), append(theirs, write)
	}
	ours[0], theirs[0] = theirs[0], ours[0] // the process reads its input
	return ours, theirs, nil
}

// CloseAll closes files.
func CloseAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}
