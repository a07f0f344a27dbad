package sshd

import (
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
)

// unixForward is the payload of streamlocal-forward@openssh.com and of its
// cancellation: OpenSSH's PROTOCOL, section 2.4.
type unixForward struct {
	Path string
}

func (r unixForward) name() string { return "unix " + r.Path }

func (c *conn) forwardUnix(request *ssh.Request) (ok bool, reply []byte) {
	var want unixForward
	if err := ssh.Unmarshal(request.Payload, &want); err != nil || want.Path == "" {
		return false, nil
	}
	if c.forwards.has(want.name()) {
		return false, nil // listening again would replace this connection's own socket
	}
	listener, stop, err := c.account.listenUnix(c.account.inHome(want.Path))
	if err != nil {
		c.log.Info("remote forward refused", "reason", err.Error())
		return false, nil
	}
	if err := c.forwards.add(want.name(), stop); err != nil {
		stop()
		return false, nil
	}
	go c.forwards.serve(listener, "forwarded-streamlocal@openssh.com", func(net.Conn) []byte {
		return ssh.Marshal(struct{ Path, Reserved string }{want.Path, ""})
	})
	return true, nil
}

func (c *conn) cancelUnix(request *ssh.Request) (ok bool, reply []byte) {
	var which unixForward
	if err := ssh.Unmarshal(request.Payload, &which); err != nil {
		return false, nil
	}
	return c.forwards.cancel(which.name()), nil
}

// listenUnix listens, with the account's rights, on a unix socket that only its owner
// can use. An existing socket is replaced, as with sshd's StreamLocalBindUnlink, because
// a lost connection may have left it. Any other existing file is an error.
func (a *account) listenUnix(path string) (net.Listener, func(), error) {
	var listener *net.UnixListener
	var mine fs.FileInfo
	err := a.as(func() (err error) {
		listener, mine, err = listenUnix(path)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return listener, func() {
		_ = a.as(func() error {
			if now, err := os.Lstat(path); err == nil && os.SameFile(mine, now) {
				return os.Remove(path) // the folder may be deleted or read-only by now
			}
			return nil
		})
		listener.Close()
	}, nil
}

func listenUnix(path string) (listener *net.UnixListener, mine fs.FileInfo, err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, nil, fmt.Errorf("replacing the socket: %w", err)
		}
	}
	listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	// Another connection may replace the socket with its own, which this one must
	// not remove when it ends.
	listener.SetUnlinkOnClose(false)
	mine, err = os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		listener.Close()
		return nil, nil, fmt.Errorf("protecting the socket: %w", err)
	}
	return listener, mine, nil
}
