package spawnapi

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
)

// Limits of messages, in bytes. The SSH server has little memory, and the spawner can be
// hostile.
const (
	// MaxRequest is more than the longest command line that the kernel accepts, in
	// base64, and its environment.
	MaxRequest = 512 << 10
	// maxStarted bounds the reply to a Start, which contains the message of the day.
	maxStarted = 256 << 10
	// maxMessage bounds all other messages.
	maxMessage = 16 << 10
)

// maxFiles is how many files a message may have.
const maxFiles = 3

// Conn is a connection between the SSH server and the spawner.
type Conn struct {
	*net.UnixConn
}

// NewConn returns a connection whose other end has the given user id. If it has another,
// NewConn closes the connection and returns an error.
func NewConn(raw *net.UnixConn, uid int) (*Conn, error) {
	peer, err := peerUID(raw)
	if err == nil && peer != uid {
		err = fmt.Errorf("the other end of the socket has user id %d, want %d", peer, uid)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return &Conn{raw}, nil
}

func peerUID(raw *net.UnixConn) (int, error) {
	var credentials *unix.Ucred
	err := descriptor.Use(raw, func(fd int) (err error) {
		credentials, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the user id at the other end of the socket: %w", err)
	}
	return int(credentials.Uid), nil
}

// Send sends a message and open files, which the caller still must close.
func (c *Conn) Send(message any, files ...*os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > MaxRequest {
		return fmt.Errorf("a message of %d bytes is longer than %d", len(text), MaxRequest)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	frame = append(frame, text...)
	if len(files) == 0 {
		_, err = c.Write(frame)
		return err
	}
	fds := make([]int, 0, len(files))
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, file := range files {
		fd, err := descriptor.Duplicate(file)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	// The files go with the first byte. A socket may take less than a whole frame.
	sent, _, err := c.WriteMsgUnix(frame, unix.UnixRights(fds...), nil)
	if err == nil && sent < len(frame) {
		_, err = c.Write(frame[sent:])
	}
	return err
}

var errFiles = errors.New("a message has more files than allowed")

// Receive receives a message of at most so many bytes, and the files that come with it. If
// it returns an error, it has closed the files.
func (c *Conn) Receive(into any, most int) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			descriptor.CloseAll(files)
			files = nil
		}
	}()
	var length [4]byte
	control := make([]byte, unix.CmsgSpace(maxFiles*4))
	n, controls, flags, _, err := c.ReadMsgUnix(length[:], control)
	if files, err = receivedFiles(control[:controls], err); err != nil {
		return files, err
	}
	if flags&unix.MSG_CTRUNC != 0 || len(files) > maxFiles {
		return files, errFiles
	}
	if n == 0 {
		return files, io.EOF
	}
	if _, err := io.ReadFull(c, length[n:]); err != nil {
		return files, err
	}
	size := binary.BigEndian.Uint32(length[:])
	if int(size) > most {
		return files, fmt.Errorf("a message of %d bytes is longer than %d", size, most)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(c, text); err != nil {
		return files, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return files, fmt.Errorf("a message is malformed: %w", err)
	}
	return files, nil
}

// receivedFiles returns the files in control messages, also after an error.
func receivedFiles(control []byte, err error) ([]*os.File, error) {
	messages, parseErr := unix.ParseSocketControlMessage(control)
	err = errors.Join(err, parseErr)
	var files []*os.File
	for i := range messages {
		fds, rightsErr := unix.ParseUnixRights(&messages[i])
		if rightsErr != nil {
			continue // control messages of another type have no files
		}
		for _, fd := range fds {
			// This comes before NewFile, so that the Go runtime can poll the file.
			err = errors.Join(err, unix.SetNonblock(fd, true))
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, err
}
