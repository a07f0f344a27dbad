package agent

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pkg/sftp"
)

// standardStreams is the client, as serve has connected it.
type standardStreams struct {
	io.Reader
	io.WriteCloser
}

// runSFTP serves one transfer. It starts where serve has put it, in the home:
// the library's own idea of a folder to start in would make the targets of
// relative symbolic links absolute.
func runSFTP(args []string, _ io.Writer) (exitCode int, err error) {
	if len(args) > 0 {
		return 2, fmt.Errorf("unexpected argument %q", args[0])
	}
	server, err := sftp.NewServer(standardStreams{os.Stdin, os.Stdout})
	if err != nil {
		return 1, fmt.Errorf("starting the SFTP server: %w", err)
	}
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return 1, fmt.Errorf("serving SFTP: %w", err)
	}
	return 0, nil
}
