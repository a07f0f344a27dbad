package sshd

import "devserver.io/devserver/internal/sshpolicy"

// Limits for what all clients have open at once, and for what the clients of one key
// have, so that one key can neither use up the memory nor lock out the others. A
// connection takes up to 100 KiB, and a channel up to 200 KiB while it transfers data.
const (
	maxConnections, maxConnectionsPerKey = 200, 150
	maxChannels, maxChannelsPerKey       = 256, 192
	// unreadShare is the part of the memory limit for what clients have sent and
	// programs have not read yet. Without a memory limit, it is maxUnread bytes.
	unreadShare = 8
	maxUnread   = 64 << 20
	// maxDescription is how long the description of a channel or of a remote forward may
	// be, in bytes. The path of a socket has at most 107, and the name of a host 255.
	maxDescription = 4 << 10
	// maxCommand is how long a command may be, in bytes: Linux accepts no longer one.
	maxCommand = 128 << 10
)

// limits are what clients can have at once, in total and for each key.
type limits struct {
	connections, channels *sshpolicy.Budget
	unread                *sshpolicy.Budget // in bytes
}

// newLimits returns the limits for a memory limit in bytes. 0 means no limit.
func newLimits(memory int64) limits {
	unread := int64(maxUnread)
	if memory > 0 {
		unread = memory / unreadShare
	}
	return limits{
		connections: sshpolicy.NewBudget(maxConnections, maxConnectionsPerKey),
		channels:    sshpolicy.NewBudget(maxChannels, maxChannelsPerKey),
		unread:      sshpolicy.NewBudget(unread, unread/4*3),
	}
}
