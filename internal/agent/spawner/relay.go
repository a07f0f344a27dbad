package spawner

import (
	"fmt"
	"io"
	"net"
	"sync"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// streams holds the streams that will be relayed, because open files cannot be passed,
// until the SSH server attaches to them.
type streams struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]io.ReadWriteCloser
}

func newStreams() *streams { return &streams{waiting: map[uint64]io.ReadWriteCloser{}} }

// add adds streams, and returns their numbers. release closes those that the SSH server
// has not attached to.
func (s *streams) add(files ...io.ReadWriteCloser) (numbers []uint64, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, file := range files {
		s.last++
		s.waiting[s.last] = file
		numbers = append(numbers, s.last)
	}
	return numbers, func() {
		for _, number := range numbers {
			if file := s.take(number); file != nil {
				file.Close()
			}
		}
	}
}

func (s *streams) take(number uint64) io.ReadWriteCloser {
	s.mu.Lock()
	defer s.mu.Unlock()
	file := s.waiting[number]
	delete(s.waiting, number)
	return file
}

// serve relays a stream over a connection until it ends.
func (s *streams) serve(c *spawnapi.Conn, number uint64) error {
	file := s.take(number)
	if file == nil {
		return fmt.Errorf("stream %d does not exist", number)
	}
	if err := reply(c, spawnapi.Reply{Relayed: true}); err != nil {
		file.Close()
		return err
	}
	relay(c.UnixConn, file)
	return nil
}

// halfCloser is a socket.
type halfCloser interface{ CloseWrite() error }

// relay copies in both directions, and passes on the end of each, until both have
// ended. A pipe has only one direction: copying in the other fails at once or ends
// without bytes.
func relay(c *net.UnixConn, file io.ReadWriteCloser) {
	defer c.Close()
	defer file.Close()
	socket, isSocket := file.(halfCloser)
	var both sync.WaitGroup
	both.Go(func() {
		_, err := io.Copy(file, c)
		switch {
		case err != nil && !isSocket:
			c.Close() // The process no longer reads.
		case err != nil:
			_ = c.CloseRead() // The other end of the socket may still answer.
		case isSocket:
			_ = socket.CloseWrite()
		default:
			file.Close()
		}
	})
	both.Go(func() {
		_, _ = io.Copy(c, file)
		_ = c.CloseWrite()
	})
	both.Wait()
}
