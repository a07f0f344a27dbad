package agent

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// initFlags are the flags of init.
type initFlags struct {
	socket           string
	sshUID           int
	user, home       string
	root             bool
	uid, gid         int
	passwd, group    string
	motd             string
	shells           string
	runtimeDir       string
	cgroupDir        string
	grace            time.Duration
	activityInterval time.Duration
	activityWindow   time.Duration
	gpuInterval      time.Duration
	nvidiaSMI        string
}

// serveFlags are the flags of serve.
type serveFlags struct {
	socket                     string
	spawnerUID                 int
	relay                      bool
	sshAddress, controlAddress string
	sshDir                     string
	user                       string
	root                       bool

	timeouts          sshpolicy.Timeouts
	keepaliveInterval time.Duration
	keysInterval      time.Duration
	grace             time.Duration
	activityInterval  time.Duration
	activityWindow    time.Duration
	drainTime         time.Duration

	maxPending, maxPendingPerAddress int
}

var (
	defaultRuntimeDir = filepath.Join("/tmp", ".devserver-agent-"+agentapi.User)
	defaultSocket     = filepath.Join(agentapi.RunDir, agentapi.SpawnerSocket)
)

// cgroupDir is the folder of a container's control group.
const cgroupDir = "/sys/fs/cgroup"

// defaultGrace is two thirds of the default grace period of the pod, so that processes
// are killed before the kubelet does it.
const defaultGrace = 20 * time.Second

func (f *initFlags) keepAwakeDir() string { return filepath.Join(f.runtimeDir, keepAwakeDirName) }

func (f *initFlags) parse(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&f.socket, "socket", defaultSocket, "socket to listen on for the SSH server")
	flags.IntVar(&f.sshUID, "ssh-uid", agentapi.SSHUID, "user id of the SSH server; all others are refused")
	flags.StringVar(&f.user, "user", agentapi.User, "the user that may log in")
	flags.StringVar(&f.home, "home", agentapi.Home, "the user's home directory")
	flags.BoolVar(&f.root, "root", false, "allow root logins too, and add the user to passwd and group; requires to run as root")
	flags.IntVar(&f.uid, "uid", os.Getuid(), "user id of the user; only with -root")
	flags.IntVar(&f.gid, "gid", os.Getgid(), "group id of the user; only with -root")
	flags.StringVar(&f.passwd, "passwd", "/etc/passwd", "file that has the user's login shell")
	flags.StringVar(&f.group, "group", "/etc/group", "file that has the user's supplementary groups; only with -root")
	flags.StringVar(&f.motd, "motd", "/etc/motd", "file to print at a login on a terminal")
	flags.StringVar(&f.shells, "shells", strings.Join(environ.Shells, ","), "shells to use if the user's login shell does not exist, best first")
	flags.StringVar(&f.runtimeDir, "runtime-dir", defaultRuntimeDir, "private folder for the sockets of forwarded SSH agents; the files in its folder "+keepAwakeDirName+" keep the server awake")
	flags.StringVar(&f.cgroupDir, "cgroup-dir", cgroupDir, "folder of the container's control group")
	flags.DurationVar(&f.grace, "grace", defaultGrace, "how long processes may take to end after SIGTERM")
	flags.DurationVar(&f.gpuInterval, "gpu-interval", time.Minute, "how often the GPUs are read")
	flags.StringVar(&f.nvidiaSMI, "nvidia-smi", "nvidia-smi", "program that reports the utilization of the GPUs")
	activityFlags(flags, &f.activityInterval, &f.activityWindow)
	return parse(flags, args)
}

func (f *serveFlags) parse(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&f.socket, "socket", defaultSocket, "socket of init")
	flags.IntVar(&f.spawnerUID, "spawner-uid", agentapi.UID, "user id of init; all others are refused")
	flags.BoolVar(&f.relay, "relay", false, "copy the data of sessions instead of passing open files; chosen automatically if files cannot be passed")
	flags.StringVar(&f.sshAddress, "ssh-address", port(agentapi.SSHPort), "address to serve SSH on; port 0 picks a free port, which the log shows")
	flags.StringVar(&f.controlAddress, "control-address", port(agentapi.ControlPort), "address to serve probes and the operator on; port 0 as above")
	flags.StringVar(&f.sshDir, "ssh-dir", agentapi.SSHDir, "folder of the keys, where the DevServer's Secret is mounted")
	flags.StringVar(&f.user, "user", agentapi.User, "the user that may log in")
	flags.BoolVar(&f.root, "root", false, "allow root logins too")
	flags.DurationVar(&f.timeouts.KeyExchange, "key-exchange-timeout", sshpolicy.KeyExchangeTimeout, "how long a connection may take until the server has sent its key")
	flags.DurationVar(&f.timeouts.Login, "login-timeout", sshpolicy.LoginTimeout, "how long a connection may take for the rest of the key exchange, while its user may compare the server's key, and then to authenticate, for example while its user types a passphrase")
	flags.DurationVar(&f.keepaliveInterval, "keepalive-interval", 30*time.Second, "how often a silent client is asked for a response; without one four times in a row, the connection is closed")
	flags.DurationVar(&f.keysInterval, "keys-interval", 10*time.Second, "how often connections are checked against the authorized keys")
	flags.DurationVar(&f.grace, "grace", defaultGrace, "how long sessions may take to end when the whole server stops")
	flags.DurationVar(&f.drainTime, "drain-time", agentapi.DrainTime, "how long a drained server refuses sessions")
	flags.IntVar(&f.maxPending, "max-pending", 100, "how many connections may be authenticating at a time")
	flags.IntVar(&f.maxPendingPerAddress, "max-pending-per-address", 64, "how many of them may come from one address")
	activityFlags(flags, &f.activityInterval, &f.activityWindow)
	return parse(flags, args)
}

func activityFlags(flags *flag.FlagSet, interval, window *time.Duration) {
	flags.DurationVar(interval, "activity-interval", 15*time.Second, "how often the server's activity is sampled")
	flags.DurationVar(window, "activity-window", time.Minute, "time over which CPU time and bytes are averaged")
}

func port(number int) string { return net.JoinHostPort("", strconv.Itoa(number)) }

// parse parses flags, and returns an error for any other argument.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, nil))
}
