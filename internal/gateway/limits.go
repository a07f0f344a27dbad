package gateway

import (
	"math"
	"runtime/debug"

	"devserver.io/devserver/internal/sshpolicy"
)

// Defaults of the limits for all users together and for one user, which admins can
// change. A connection takes about 64 KiB and a channel about 46 KiB, so the defaults
// suit a memory limit of 1.8 GiB.
const (
	defaultConnections        = 12_000
	defaultConnectionsPerUser = 1_000
)

// channelsFor returns how many channels there may be with that many connections. ssh -J
// opens one for each. Editors and ControlMaster open several.
func channelsFor(connections int64) int64 { return max(maxChannels, connections*5/4) }

// Limits for all users together and for one user that depend on the memory.
const (
	// unreadShare is the part of the memory limit for what clients have sent and servers
	// have not read yet, of which one user can have userShare.
	unreadShare = 8
	userShare   = 8
	// defaultUnread is the limit without a memory limit, in bytes.
	defaultUnread = 256 << 20
	// bulkBuffersTotal and bulkBuffersPerUser limit the buffers of transfers, of
	// bulkBuffer bytes each. A transfer that gets none is slower.
	bulkBuffersTotal   = 1024
	bulkBuffersPerUser = 128
)

// limits are what clients can have at once, in total and for each user.
type limits struct {
	connections, channels *sshpolicy.Budget
	bulk                  *sshpolicy.Budget // in buffers
	unread                *sshpolicy.Budget // in bytes
}

// newLimits returns the limits for the given numbers of connections.
func newLimits(connections, perUser int64) limits {
	unread := int64(defaultUnread)
	if memory := debug.SetMemoryLimit(-1); memory < math.MaxInt64 {
		unread = memory / unreadShare
	}
	return limits{
		connections: sshpolicy.NewBudget(connections, perUser),
		channels:    sshpolicy.NewBudget(channelsFor(connections), channelsFor(perUser)),
		bulk:        sshpolicy.NewBudget(bulkBuffersTotal, bulkBuffersPerUser),
		unread:      sshpolicy.NewBudget(unread, unread/userShare),
	}
}
