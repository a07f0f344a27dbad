package sshd

import (
	"log/slog"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// Config configures a Server.
type Config struct {
	// HostKey is the server's only host key. It must be an ed25519 key.
	HostKey ssh.Signer
	// AuthorizedKeysFile is the file with the public keys that may log in. It is
	// read again whenever it changes.
	AuthorizedKeysFile string
	// User is the account that may log in.
	User string
	// RootLogin allows root to log in with the user's keys.
	RootLogin bool
	// Spawner starts the processes of sessions.
	Spawner *spawnapi.Client
	// Traffic receives what clients send, type and open, to detect activity.
	Traffic *activity.Traffic
	// Activity returns the report that agentapi.ActivitySubsystem sends.
	Activity func() agentapi.Report

	// Timeouts are how long a connection may take to authenticate.
	Timeouts sshpolicy.Timeouts
	// MemoryLimit is how much memory the server may take, in bytes. 0 means no limit.
	MemoryLimit int64
	// KeepaliveInterval is how often the server sends a keepalive request. A
	// client that sends nothing for keepaliveTries intervals is disconnected.
	KeepaliveInterval time.Duration
	// KeysInterval is how often AuthorizedKeysFile is checked, in addition to
	// every login and every new channel.
	KeysInterval time.Duration
	// Grace is how long sessions may take to end when the whole dev server stops.
	Grace time.Duration
	// HangUpTime is how long a client may take to close its connection after its
	// last session has ended, when the server stops. 0 means 2 seconds.
	HangUpTime time.Duration
	// MaxPending and MaxPendingPerAddress limit the connections that have not
	// authenticated yet, in total and for each address.
	MaxPending           int
	MaxPendingPerAddress int

	Logger *slog.Logger
}

const keepaliveTries = 4

// serverVersion begins with OpenSSH because the OpenSSH client requires that
// before it uses protocol extensions that this server has. Without the extension
// eow@openssh.com, `ssh HOST yes | head` would never end.
const serverVersion = "SSH-2.0-OpenSSH_compatible_DevServer"

// newServerConfig returns the common policy of all SSH servers of this project
// with this server's host key.
func newServerConfig(hostKey ssh.Signer) *ssh.ServerConfig {
	config := sshpolicy.ServerConfig()
	config.ServerVersion = serverVersion
	config.AddHostKey(hostKey)
	return config
}
