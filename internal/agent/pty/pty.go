// Package pty opens pseudo-terminals.
package pty

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
)

// After the process on a terminal has ended, its last output must still be read. The
// kernel reports the end of the output only if no other process has the terminal open. If
// a background job has, reading stops after a pause of LingerPause, or after LingerBytes,
// which is more than the kernel can have buffered.
const (
	LingerPause = 100 * time.Millisecond
	LingerBytes = 128 << 10
	// LastOutput is how long a client may take to read the last output.
	LastOutput = time.Minute
)

// Open opens a pseudo-terminal. github.com/creack/pty is not used because it
// leaves the master in blocking mode: closing the master then waits for the
// pending read, the terminal never hangs up, and its processes live on after
// the connection is lost.
func Open() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var number int
	err = descriptor.Use(master, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return fmt.Errorf("unlocking the terminal: %w", err)
		}
		got, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
		number = got
		return err
	})
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}
