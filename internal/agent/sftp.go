package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pkg/sftp"
)

// pipeSize is the capacity of a pipe in bytes, so one read empties it.
const pipeSize = 64 << 10

// runSFTP serves one client. Serve starts it in the home directory. The library could
// also be given a directory to start in, but would then make the targets of relative
// symbolic links absolute.
func runSFTP(args []string, _ io.Writer) (exitCode int, err error) {
	if len(args) > 0 {
		return 2, fmt.Errorf("unexpected argument %q", args[0])
	}
	client := newInOrder(bufio.NewReaderSize(os.Stdin, pipeSize), os.Stdout)
	// The allocator reuses buffers. One request at a time requires few.
	server, err := sftp.NewServer(client, sftp.WithAllocator())
	if err != nil {
		return 1, fmt.Errorf("starting the SFTP server: %w", err)
	}
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return 1, fmt.Errorf("serving SFTP: %w", err)
	}
	return 0, nil
}
