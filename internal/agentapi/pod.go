// Package agentapi is the API between the operator and the agents in its servers:
// the users, paths, files and ports of a server's pod, which the operator renders
// and the agent relies on, and the requests of the agent's control endpoint.
//
// Two versions of it are always in use at once. The pod template holds the names
// here, and a running server keeps its template, and its agent, until it restarts.
// So a new operator polls old agents: fields are added, and none changes its
// meaning. Each side ignores fields that it does not know.
package agentapi

// User is the account that owners log in to. The agent's prepare step adds it to
// the image's passwd and group, so that it exists whatever the image. UID and GID
// are its IDs if the owner has no uid of their own.
const (
	User = "dev"
	UID  = 1000
	GID  = 1000
)

// SSHUID is the user and group id of the SSH server's container. Users of the server must
// not have it, because the spawner obeys every process that connects with this id.
const SSHUID = 65532

// RunDir is where both containers mount the folder RunSubPath of a volume in memory.
// The prepare step creates the folder. The spawner in the main container listens on
// the socket SpawnerSocket in it, and the SSH server connects to it.
const (
	RunDir        = "/run/devserver"
	RunSubPath    = "run"
	SpawnerSocket = "spawner.sock"
)

// PrepareRunDir is where the prepare step mounts that volume.
const PrepareRunDir = "/prepare-run"

// Folders of the server's main container.
const (
	// Home is the home directory of User, on the home volume.
	Home = "/home/dev"
	// Shared is where the DevServer's sharedVolumeClaimName is mounted.
	Shared = "/shared"
	// AgentDir is an emptyDir that the prepare step fills. The main container mounts
	// it read-only.
	AgentDir = "/opt/devserver"
	// SSHDir is where the DevServer's Secret is mounted. The whole folder is mounted,
	// because the kubelet does not update subPath mounts.
	SSHDir = "/etc/devserver/ssh"
	// Shm is POSIX shared memory, a volume in memory.
	Shm = "/dev/shm"
)

// Files that the prepare step writes, relative to AgentDir.
const (
	// AgentFile is the agent's binary. It is copied, because some container runtimes
	// mount image volumes noexec.
	AgentFile = "bin/devserver-agent"
	// PasswdFile and GroupFile are the image's files with User added. The main
	// container mounts them at /etc/passwd and /etc/group.
	PasswdFile = "etc/passwd"
	GroupFile  = "etc/group"
	// ProfileFile is mounted at ProfilePath.
	ProfileFile = "etc/profile.sh"
)

// ProfilePath is the last file that a login shell's profile reads. It restores the
// image's PATH, which /etc/profile replaces in most distributions.
const ProfilePath = "/etc/profile.d/zz-devserver.sh"

// Folders of the init container, which runs the agent's image.
const (
	// PrepareBinary is the agent's binary in the agent's image.
	PrepareBinary = "/devserver-agent"
	// PrepareImageDir is where the server's image is mounted, read-only.
	PrepareImageDir = "/image"
	// PrepareHomeDir is the root of the home volume. The home directory is its
	// folder HomeSubPath, so that users do not see lost+found or the mode of the
	// volume's root.
	PrepareHomeDir = "/volume"
	HomeSubPath    = "dev"
)

// Keys of the DevServer's Secret, which are file names in SSHDir.
const (
	// HostKeyFile is the ed25519 host key in OpenSSH's PEM format.
	HostKeyFile = "ssh_host_ed25519_key"
	// AuthorizedKeysFile has one public key in each line, as in authorized_keys(5).
	AuthorizedKeysFile = "authorized_keys"
	// ControlKeyFile is the PKCS #8 PEM ed25519 key of the control endpoint's
	// self-signed certificate.
	ControlKeyFile = "control_key"
	// ControlTokenFile is the bearer token that the control endpoint requires.
	ControlTokenFile = "control_token"
)

// Ports of the pod, and their names in the pod template. Both are above 1023,
// because the agent runs without capabilities.
const (
	SSHPort         = 2222
	SSHPortName     = "ssh"
	ControlPort     = 2223
	ControlPortName = "control"
)

// AuthorizedKeysPath on ControlPort accepts the new content of AuthorizedKeysFile,
// by PUT and with the bearer token, and answers 204. A kubelet takes up to two
// minutes to update a mounted Secret, and a removed key must not be able to log in
// for that long.
const AuthorizedKeysPath = "/v1/authorized-keys"

// MaxSecretBytes is the size limit of a Secret, which bounds the list of keys.
const MaxSecretBytes = 1 << 20

// HealthPath on ControlPort (HTTPS) answers 200 as long as the agent's SSH server
// completes a key exchange with the host key, and 503 with the reason otherwise.
// It requires no token.
const HealthPath = "/healthz"
