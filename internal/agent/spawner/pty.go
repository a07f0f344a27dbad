package spawner

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// openPTY opens a pseudo-terminal. github.com/creack/pty is not used because it
// leaves the master in blocking mode: closing the master then waits for the
// pending read, the terminal never hangs up, and its processes live on after
// the connection is lost.
func openPTY() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var number int
	err = ioctl(master, func(fd int) error {
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

// ioctl calls do with a file's descriptor. Unlike File.Fd, it does not set the
// descriptor to blocking mode.
func ioctl(file *os.File, do func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = do(int(fd)) }); err != nil {
		return err
	}
	return result
}

func setSize(terminal *os.File, size spawnapi.Size) error {
	window := &unix.Winsize{Col: size.Columns, Row: size.Rows, Xpixel: size.Width, Ypixel: size.Height}
	return ioctl(terminal, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, window) })
}
