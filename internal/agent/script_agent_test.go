package agent_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"devserver.io/devserver/internal/agentapi"
)

// patience is how long scripts wait for something to happen.
const patience = 30 * time.Second

type agentKey struct{}

// agentProcess is the agent that a script started: the program of the main container,
// and that of the SSH container.
type agentProcess struct {
	init, serve *program
	log         logBuffer
	// instructions are those of the script's last poll.
	instructions agentapi.Instructions
	// seen is the moment, for each signal, up to which a script knows of its
	// activity: what counts as active next must have happened after that.
	seen map[string]time.Time
}

// logBuffer is a log that can be waited on.
type logBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.text.Write(p)
}

func (l *logBuffer) read() (text string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.text.String(), l.changed
}

// wait waits until the log matches, and returns the last match.
func (l *logBuffer) wait(pattern *regexp.Regexp) ([]string, error) {
	deadline := time.After(patience)
	for {
		text, changed := l.read()
		if all := pattern.FindAllStringSubmatch(text, -1); all != nil {
			return all[len(all)-1], nil
		}
		select {
		case <-changed:
		case <-deadline:
			return nil, fmt.Errorf("the agent's log has not matched %s:\n%s", pattern, text)
		}
	}
}

var (
	listening        = regexp.MustCompile(`msg=listening ssh=127\.0\.0\.1:(\d+) control=(\S+)`)
	spawnerListening = regexp.MustCompile("spawner listening")
)

// program is one of the agent's programs.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// start starts a program, which writes to the agent's log.
func (a *agentProcess) start(ts *testscript.TestScript, cmd *exec.Cmd) *program {
	cmd.Stderr = &a.log
	ts.Check(cmd.Start())
	started := &program{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(started.done)
	}()
	return started
}

// ofInit and ofBoth are the names of flags that scripts give to init, and to both
// programs. The others are those of serve.
var (
	ofInit = []string{"shells", "gpu-interval", "uid", "gid", "passwd", "group"}
	ofBoth = []string{"activity-interval", "activity-window", "grace", "root"}
)

// startAgent [pid1] [NAME=VALUE...] [FLAGS...] starts the agent of a server. With pid1, its
// init is PID 1 in a process namespace of its own.
func startAgent(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	a := ts.Value(agentKey{}).(*agentProcess)
	if a.init != nil {
		ts.Fatalf("the agent is already running")
	}
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Sessions must not inherit a low limit of open files, which is common in
	// containers, or ignored signals, as from a runtime that nohup started.
	prepare := "ulimit -Sn 256; trap '' HUP INT; "
	if len(args) > 0 && args[0] == "pid1" {
		args = args[1:]
		ownProcesses(attributes)
		prepare += "mount --make-rprivate / && mount -t proc proc /proc && "
	}
	environment := []string{
		"PATH=" + work + "/image-bin:" + os.Getenv("PATH"),
		marker + ts.Getenv("S"), "HOME=/root", "IMAGE_SAYS=hello", "KUBERNETES_SERVICE_HOST=10.0.0.1", "LD_LIBRARY_PATH=/opt/cuda/lib64",
	}
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "-") {
		environment, args = append(environment, args[0]), args[1:]
	}
	socket := "--socket=" + ts.Getenv("S") + "/spawner/" + agentapi.SpawnerSocket
	flags := []string{
		"init", socket, fmt.Sprintf("--ssh-uid=%d", sshUID(ts)), "--home=" + work + "/home", "--passwd=" + work + "/passwd", "--motd=" + work + "/motd",
		"--runtime-dir=" + ts.Getenv("S") + "/run", "--cgroup-dir=" + work + "/cgroup",
	}
	serve := []string{
		"serve", socket, fmt.Sprintf("--spawner-uid=%d", os.Getuid()),
		"--ssh-address=127.0.0.1:0", "--control-address=127.0.0.1:0", "--ssh-dir=" + work + "/secret", "--keys-interval=50ms",
	}
	if ts.Getenv("RELAY") != "" {
		serve = append(serve, "--relay")
	}
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if slices.Contains(ofInit, name) || slices.Contains(ofBoth, name) {
			flags = append(flags, arg)
		}
		if !slices.Contains(ofInit, name) {
			serve = append(serve, arg)
		}
	}
	path, err := exec.LookPath(cmp.Or(ts.Getenv("AGENT"), "devserver-agent"))
	ts.Check(err)
	shell := []string{"-c", prepare + `exec "$0" "$@"`, path}
	init := exec.Command("sh", slices.Concat(shell, flags)...)
	init.Env = environment
	init.SysProcAttr = attributes
	ts.Defer(func() { a.kill(ts) })
	a.init = a.start(ts, init)
	if other := ts.Getenv("SERVE"); other != "" {
		path, err = exec.LookPath(other)
		ts.Check(err)
	}
	a.startServe(ts, path, serve)
	if neg {
		a.awaitFailure(ts)
		return
	}
	_, err = a.log.wait(spawnerListening)
	ts.Check(err)
	writeClientConfig(ts, a)
}

// startServe starts the program of the SSH container.
func (a *agentProcess) startServe(ts *testscript.TestScript, path string, args []string) {
	cmd := exec.Command(path, args...)
	cmd.Env = []string{marker + ts.Getenv("S"), "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if id := sshUID(ts); id != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}
	}
	a.serve = a.start(ts, cmd)
}

// sshUID returns the user id of the SSH server.
func sshUID(ts *testscript.TestScript) int {
	if ts.Getenv("SSH_UID") == "" {
		return os.Getuid()
	}
	id, err := strconv.Atoi(ts.Getenv("SSH_UID"))
	ts.Check(err)
	return id
}

// awaitFailure waits until one of the programs has failed.
func (a *agentProcess) awaitFailure(ts *testscript.TestScript) {
	failed := a.init
	select {
	case <-a.init.done:
	case <-a.serve.done:
		failed = a.serve
	case <-time.After(patience):
		ts.Fatalf("the agent has not ended")
	}
	if failed.cmd.ProcessState.ExitCode() == 0 {
		ts.Fatalf("the agent ended with exit code 0")
	}
}

// ownProcesses adds a process namespace, and a mount namespace for its /proc. That
// requires root, so other users get a user namespace too.
func ownProcesses(attributes *syscall.SysProcAttr) {
	attributes.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	if os.Getuid() != 0 {
		attributes.Cloneflags |= syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
}

// writeClientConfig writes the server's address to the configuration of the clients.
func writeClientConfig(ts *testscript.TestScript, a *agentProcess) {
	match, err := a.log.wait(listening)
	ts.Check(err)
	work := ts.Getenv("WORK")
	config := fmt.Sprintf(`Host server
	HostName 127.0.0.1
	Port %s
	User dev
	IdentityFile %s/id
	IdentitiesOnly yes
	UserKnownHostsFile %s/known_hosts
	StrictHostKeyChecking accept-new
	PasswordAuthentication no
	LogLevel ERROR
`, match[1], work, work)
	ts.Check(os.WriteFile(filepath.Join(work, "ssh_config"), []byte(config), 0o600))
	ts.Setenv("PORT", match[1])
	ts.Setenv("CONTROL", match[2])
}

// kill ends the agent at the end of a script, and logs its log, which go test shows if
// the script has failed.
func (a *agentProcess) kill(ts *testscript.TestScript) {
	for _, p := range []*program{a.init, a.serve} {
		_ = p.cmd.Process.Kill()
	}
	// Processes that it leaves behind hold its log open, so they must end too.
	killMarked(ts.Getenv("S"))
	<-a.init.done
	<-a.serve.done
	killMarked(ts.Getenv("S"))
	text, _ := a.log.read()
	ts.Logf("[agent's log]\n%s", text)
}

// marker is a variable of all processes in a script's server, by which those that a
// failed script leaves behind are found.
const marker = "SERVER_OF_TEST="

// killMarked kills the processes of a server.
func killMarked(server string) {
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		environment, _ := os.ReadFile(path)
		if !bytes.Contains(environment, []byte(marker+server+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// stopAgent stops the agent as a kubelet does, both programs at once.
func stopAgent(ts *testscript.TestScript, neg bool, _ []string) {
	a := ts.Value(agentKey{}).(*agentProcess)
	programs := []*program{a.init, a.serve}
	for _, p := range programs {
		ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, p := range programs {
		select {
		case <-p.done:
		case <-time.After(patience):
			ts.Fatalf("the agent did not end: %s", p.cmd)
		}
		if code := p.cmd.ProcessState.ExitCode(); (code == 0) == neg {
			ts.Fatalf("the agent ended with exit code %d: %s", code, p.cmd)
		}
	}
}

// crashAgent kills the SSH server, and starts the next one, as a kubelet does.
func crashAgent(ts *testscript.TestScript, _ bool, _ []string) {
	a := ts.Value(agentKey{}).(*agentProcess)
	ts.Check(a.serve.cmd.Process.Kill())
	<-a.serve.done
	text, _ := a.log.read()
	before := strings.Count(text, "msg=listening")
	a.startServe(ts, a.serve.cmd.Path, a.serve.cmd.Args[1:])
	_, err := a.log.wait(regexp.MustCompile(fmt.Sprintf(`(?s)(msg=listening.*){%d}`, before+1)))
	ts.Check(err)
	writeClientConfig(ts, a)
}

// waitLog waits until the agent's log matches a pattern, or with ! checks that
// it does not.
func waitLog(ts *testscript.TestScript, neg bool, args []string) {
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	a := ts.Value(agentKey{}).(*agentProcess)
	if neg {
		if text, _ := a.log.read(); pattern.MatchString(text) {
			ts.Fatalf("the log matches %s:\n%s", pattern, text)
		}
		return
	}
	_, err = a.log.wait(pattern)
	ts.Check(err)
}

// eventually COMMAND repeats a shell command until it succeeds.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, "succeed: "+args[0], func() bool { return ts.Exec("sh", "-c", args[0]) == nil })
}

// gone FILE waits until a process has ended, whose PID the file has. With !, the process
// must be running.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	if neg {
		if syscall.Kill(pid, 0) != nil {
			ts.Fatalf("process %d has ended", pid)
		}
		ts.Defer(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		return
	}
	await(ts, "process to end", func() bool { return syscall.Kill(pid, 0) != nil })
}

// await polls until done returns true, because other processes do not signal that.
func await(ts *testscript.TestScript, what string, done func() bool) {
	deadline := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// authorize FILE... replaces the authorized keys as a kubelet does: it creates a new
// folder, and replaces the link to it in one step.
func authorize(ts *testscript.TestScript, _ bool, args []string) {
	var keys strings.Builder
	for _, name := range args {
		keys.WriteString(ts.ReadFile(name))
	}
	secret := ts.MkAbs("secret")
	fresh, err := os.MkdirTemp(secret, "..data-")
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(fresh, "authorized_keys"), []byte(keys.String()), 0o600))
	ts.Check(os.Symlink(filepath.Base(fresh), filepath.Join(secret, "..data_tmp")))
	ts.Check(os.Rename(filepath.Join(secret, "..data_tmp"), filepath.Join(secret, "..data")))
	link := filepath.Join(secret, "authorized_keys")
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		_ = os.Remove(link)
		ts.Check(os.Symlink("..data/authorized_keys", link))
	}
}

// noZombies waits until every process of the server that has ended is reaped.
func noZombies(ts *testscript.TestScript, _ bool, _ []string) {
	a := ts.Value(agentKey{}).(*agentProcess)
	await(ts, "every ended process to be reaped", func() bool {
		for _, parent := range append(childrenOf(ts, a.init.cmd.Process.Pid), a.init.cmd.Process.Pid) {
			for _, pid := range childrenOf(ts, parent) {
				if stat, err := readStat(pid); err == nil && stat.state == "Z" {
					return false
				}
			}
		}
		return true
	})
}

type procStat struct {
	state  string
	parent int
}

func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	// The name, in parentheses, may contain any character.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return procStat{}, io.ErrUnexpectedEOF
	}
	parent, err := strconv.Atoi(fields[1])
	return procStat{state: fields[0], parent: parent}, err
}

func childrenOf(ts *testscript.TestScript, parent int) []int {
	entries, err := os.ReadDir("/proc")
	ts.Check(err)
	var children []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil && stat.parent == parent {
			children = append(children, pid)
		}
	}
	return children
}
