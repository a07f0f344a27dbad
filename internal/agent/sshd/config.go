package sshd

import (
	"log/slog"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// Config is what a Server needs to know.
type Config struct {
	// HostKey is the only host key, ed25519.
	HostKey ssh.Signer
	// AuthorizedKeysFile names the public keys that may log in. It is read
	// again whenever it changes.
	AuthorizedKeysFile string
	// Box is the environment of every session, and names the user.
	Box environ.Server
	// RootLogin lets root in beside the user, by the same keys. The agent is
	// root then, and the user's processes run with UID and GID. Without it they
	// run as the agent does.
	RootLogin bool
	UID, GID  int
	// PasswdFile says which shell an account has, and GroupFile, with RootLogin,
	// its further groups. Shells are tried when that one is not there.
	PasswdFile, GroupFile string
	Shells                []string
	// MotdFile is printed when somebody logs in on a terminal.
	MotdFile string
	// Binary is the agent's executable, whose verb sftp-server serves files.
	Binary string
	// RuntimeDir is a private folder for the sockets of forwarded agents.
	RuntimeDir string
	// Traffic is told what clients do.
	Traffic *activity.Traffic
	// Activity is what a client gets that asks for agentapi.ActivitySubsystem.
	Activity func() agentapi.Report
	// Usage returns a line about what the server uses and may use, for a login on a
	// terminal. It may be nil.
	Usage func() string

	// HandshakeTimeout is how long a connection may take to authenticate.
	HandshakeTimeout time.Duration
	// KeepaliveInterval is how often a silent client is asked for a sign of
	// life; after keepaliveTries intervals without one it is cut off.
	KeepaliveInterval time.Duration
	// KeysInterval is how often AuthorizedKeysFile is looked at, beside at
	// every login and every new channel.
	KeysInterval time.Duration
	// Grace is how long sessions may take to end when the server stops.
	Grace time.Duration
	// HangUpTime is how long a client whose session has ended may take to close
	// its connection when the server stops. 0 stands for 2 seconds.
	HangUpTime time.Duration
	// MaxPending and MaxPendingPerAddress bound the connections that have not
	// authenticated yet.
	MaxPending           int
	MaxPendingPerAddress int

	Logger *slog.Logger
}

const keepaliveTries = 4

// serverVersion begins with OpenSSH because its client looks for that before
// it uses the extensions of the protocol that this server has: without
// eow@openssh.com, `ssh box yes | head` would never end.
const serverVersion = "SSH-2.0-OpenSSH_compatible_DevServer"

// newServerConfig is the policy of all our SSH servers, with this box's host
// key.
func newServerConfig(hostKey ssh.Signer) *ssh.ServerConfig {
	config := sshpolicy.ServerConfig()
	config.ServerVersion = serverVersion
	config.AddHostKey(hostKey)
	return config
}
