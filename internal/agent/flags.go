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
)

// serveFlags are the flags of init and serve. Init passes its own on to serve.
type serveFlags struct {
	sshAddress, controlAddress string
	sshDir                     string
	user, home                 string
	root                       bool
	uid, gid                   int
	passwd, group, motd        string
	shells                     string
	runtimeDir                 string
	cgroupDir                  string

	handshakeTimeout  time.Duration
	keepaliveInterval time.Duration
	keysInterval      time.Duration
	grace             time.Duration

	activityInterval time.Duration
	activityWindow   time.Duration
	gpuInterval      time.Duration
	nvidiaSMI        string
	drainTime        time.Duration

	maxPending, maxPendingPerAddress int
}

var defaultRuntimeDir = filepath.Join("/tmp", ".devserver-agent-"+agentapi.User)

func (f *serveFlags) keepAwakeDir() string { return filepath.Join(f.runtimeDir, keepAwakeDirName) }

func (f *serveFlags) parse(verb string, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&f.sshAddress, "ssh-address", port(agentapi.SSHPort), "address to serve SSH on; port 0 picks a free port, which the log has")
	flags.StringVar(&f.controlAddress, "control-address", port(agentapi.ControlPort), "address to serve probes and the operator on; port 0 as above")
	flags.StringVar(&f.sshDir, "ssh-dir", agentapi.SSHDir, "folder of the keys, where the DevServer's Secret is mounted")
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
	flags.StringVar(&f.cgroupDir, "cgroup-dir", "/sys/fs/cgroup", "folder of the container's control group")
	flags.DurationVar(&f.handshakeTimeout, "handshake-timeout", 30*time.Second, "how long a connection may take to authenticate")
	flags.DurationVar(&f.keepaliveInterval, "keepalive-interval", 30*time.Second, "how often a silent client is asked for a response; without one four times in a row, the connection is closed")
	flags.DurationVar(&f.keysInterval, "keys-interval", 10*time.Second, "how often connections are checked against the authorized keys")
	flags.DurationVar(&f.grace, "grace", 20*time.Second, "how long processes may take to end after SIGTERM")
	flags.DurationVar(&f.activityInterval, "activity-interval", 15*time.Second, "how often the server's activity is sampled")
	flags.DurationVar(&f.activityWindow, "activity-window", time.Minute, "time over which CPU time and bytes are averaged")
	flags.DurationVar(&f.gpuInterval, "gpu-interval", time.Minute, "how often the GPUs are read")
	flags.StringVar(&f.nvidiaSMI, "nvidia-smi", "nvidia-smi", "program that reports the utilization of the GPUs")
	flags.DurationVar(&f.drainTime, "drain-time", agentapi.DrainTime, "how long a drained server refuses sessions")
	flags.IntVar(&f.maxPending, "max-pending", 100, "how many connections may be authenticating at a time")
	flags.IntVar(&f.maxPendingPerAddress, "max-pending-per-address", 64, "how many of them may come from one address")
	return parse(flags, args)
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
