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

// serveFlags are the flags of init and serve: init passes them on.
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

func (f *serveFlags) keepDir() string { return filepath.Join(f.runtimeDir, keepDirName) }

func (f *serveFlags) parse(verb string, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&f.sshAddress, "ssh-address", port(agentapi.SSHPort), "address to serve SSH on; port 0 takes any, and the log says which")
	flags.StringVar(&f.controlAddress, "control-address", port(agentapi.ControlPort), "address to serve probes and the operator on")
	flags.StringVar(&f.sshDir, "ssh-dir", agentapi.SSHDir, "folder with the keys: the DevServer's Secret")
	flags.StringVar(&f.user, "user", agentapi.User, "the user that may log in")
	flags.StringVar(&f.home, "home", agentapi.Home, "the user's home")
	flags.BoolVar(&f.root, "root", false, "let root in too, and put the user into passwd and group; takes root in a container of one's own")
	flags.IntVar(&f.uid, "uid", os.Getuid(), "the user's id, with -root")
	flags.IntVar(&f.gid, "gid", os.Getgid(), "the user's group id, with -root")
	flags.StringVar(&f.passwd, "passwd", "/etc/passwd", "file that names the user's shell")
	flags.StringVar(&f.group, "group", "/etc/group", "file that names the user's further groups, with -root")
	flags.StringVar(&f.motd, "motd", "/etc/motd", "file that is printed at a login on a terminal")
	flags.StringVar(&f.shells, "shells", strings.Join(environ.Shells, ","), "shells to try when the user's is not there")
	flags.StringVar(&f.runtimeDir, "runtime-dir", defaultRuntimeDir, "private folder for forwarded SSH agents, and, in its folder "+keepDirName+", for files that keep the box")
	flags.StringVar(&f.cgroupDir, "cgroup-dir", "/sys/fs/cgroup", "where the container's CPU limit and use are found")
	flags.DurationVar(&f.handshakeTimeout, "handshake-timeout", 30*time.Second, "how long a connection may take to authenticate")
	flags.DurationVar(&f.keepaliveInterval, "keepalive-interval", 30*time.Second, "how often clients are asked for a sign of life; four times without one ends the connection")
	flags.DurationVar(&f.keysInterval, "keys-interval", 10*time.Second, "how often connections are checked against the authorized keys")
	flags.DurationVar(&f.grace, "grace", 20*time.Second, "how long processes may take to end after SIGTERM")
	flags.DurationVar(&f.activityInterval, "activity-interval", 15*time.Second, "how often it is looked at whether the box works")
	flags.DurationVar(&f.activityWindow, "activity-window", time.Minute, "what CPU time and bytes are averaged over")
	flags.DurationVar(&f.gpuInterval, "gpu-interval", time.Minute, "how often the GPUs are asked")
	flags.StringVar(&f.nvidiaSMI, "nvidia-smi", "nvidia-smi", "program that tells how busy the GPUs are")
	flags.DurationVar(&f.drainTime, "drain-time", agentapi.DrainTime, "how long a drained box refuses sessions")
	flags.IntVar(&f.maxPending, "max-pending", 100, "connections that may be authenticating at a time")
	flags.IntVar(&f.maxPendingPerAddress, "max-pending-per-address", 64, "the same, of one address")
	return parse(flags, args)
}

func port(number int) string { return net.JoinHostPort("", strconv.Itoa(number)) }

// parse refuses arguments that are no flags.
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
