// Package agentapi is what the operator, which renders a box's pod, and the agent,
// which runs inside it, agree upon: users, paths, files and ports. A change
// here is a change of the pod template, so a running box keeps the old values
// until it restarts.
package agentapi

// The box's one user. Every box, whatever its image, knows this account:
// the agent's prepare step adds it to the image's passwd and group. UID and
// GID are those of owners without a uid of their own.
const (
	User = "dev"
	UID  = 1000
	GID  = 1000
)

// Folders of the box's main container.
const (
	// Home is the persistent home directory of User.
	Home = "/home/dev"
	// Shared is where the DevServer's sharedVolumeClaimName is mounted.
	Shared = "/shared"
	// AgentDir is an emptyDir that the prepare step fills and the main
	// container sees read-only.
	AgentDir = "/opt/devserver"
	// SSHDir is the mount of the DevServer's Secret. It is a whole-folder
	// mount, because a subPath mount never sees an updated Secret.
	SSHDir = "/etc/devserver/ssh"
	// Shm is POSIX shared memory, a memory-backed volume.
	Shm = "/dev/shm"
)

// Files that the prepare step writes, relative to AgentDir.
const (
	// AgentFile is the agent's own binary. It is copied, because some
	// runtimes mount image volumes noexec.
	AgentFile = "bin/devserver-agent"
	// PasswdFile and GroupFile are the image's own with User put in; the main
	// container mounts them at /etc/passwd and /etc/group.
	PasswdFile = "etc/passwd"
	GroupFile  = "etc/group"
	// ProfileFile is mounted at ProfilePath.
	ProfileFile = "etc/profile.sh"
)

// ProfilePath is the last of the login profile's snippets: it gives back the
// image's PATH, which /etc/profile resets in most distributions.
const ProfilePath = "/etc/profile.d/zz-devserver.sh"

// Folders of the init container, which runs the agent's image.
const (
	// PrepareBinary is the agent's binary in the agent's image.
	PrepareBinary = "/devserver-agent"
	// PrepareImageDir is the box's image, mounted read-only.
	PrepareImageDir = "/image"
	// PrepareHomeDir is the root of the home volume. The home itself is its
	// folder HomeSubPath, so that lost+found and the volume's own mode stay
	// out of sight.
	PrepareHomeDir = "/volume"
	HomeSubPath    = "dev"
)

// Keys of the DevServer's Secret, which are file names in SSHDir.
const (
	// HostKeyFile is the ed25519 host key in OpenSSH's PEM format.
	HostKeyFile = "ssh_host_ed25519_key"
	// AuthorizedKeysFile has one public key a line, as in authorized_keys(5).
	AuthorizedKeysFile = "authorized_keys"
	// ControlKeyFile is the PKCS #8 PEM ed25519 key of the control endpoint's
	// self-signed certificate.
	ControlKeyFile = "control_key"
	// ControlTokenFile is the bearer token that the control endpoint asks for.
	ControlTokenFile = "control_token"
)

// Ports of the pod, and their names in the pod template. Both are above 1023,
// since the agent runs without capabilities.
const (
	SSHPort         = 2222
	SSHPortName     = "ssh"
	ControlPort     = 2223
	ControlPortName = "control"
)

// AuthorizedKeysPath on ControlPort takes, by PUT and with the bearer token, a
// new content of AuthorizedKeysFile. A kubelet takes up to two minutes to bring
// a changed Secret into a pod, and a revoked key must not open a box that long.
const AuthorizedKeysPath = "/v1/authorized-keys"

// MaxSecretBytes is what fits a Secret, and so the longest list of keys.
const MaxSecretBytes = 1 << 20

// HealthPath on ControlPort (HTTPS) answers 200 once, and as long as, the
// agent's SSH server completes a key exchange with the right host key.
const HealthPath = "/healthz"
