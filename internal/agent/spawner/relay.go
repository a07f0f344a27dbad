package spawner

import (
	"fmt"
	"io"
	"net"
	"sync"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// streams holds what is relayed to the SSH server where the sandbox cannot pass open
// files, until the SSH server connects to it.
type streams struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]io.ReadWriteCloser
}

func newStreams() *streams { return &streams{waiting: map[uint64]io.ReadWriteCloser{}} }

// add adds streams, and returns their numbers. Release closes those to which nobody has
// connected.
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
		return fmt.Errorf("there is no stream %d", number)
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
// ended. A pipe has only one direction: the other fails at once or has no bytes.
func relay(c *net.UnixConn, file io.ReadWriteCloser) {
	defer c.Close()
	defer file.Close()
	socket, isSocket := file.(halfCloser)
	var both sync.WaitGroup
	both.Go(func() {
		_, err := io.Copy(file, c)
		switch {
		case err != nil && !isSocket:
			c.Close() // The process reads no more.
		case err != nil:
			_ = c.CloseRead() // It may still answer.
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
