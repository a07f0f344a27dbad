package sshd

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// signalNumbers has the signals for which SSH has a name: RFC 4254, section 6.10.
var signalNumbers = map[ssh.Signal]syscall.Signal{
	ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGFPE: syscall.SIGFPE,
	ssh.SIGHUP: syscall.SIGHUP, ssh.SIGILL: syscall.SIGILL, ssh.SIGINT: syscall.SIGINT,
	ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE, ssh.SIGQUIT: syscall.SIGQUIT,
	ssh.SIGSEGV: syscall.SIGSEGV, ssh.SIGTERM: syscall.SIGTERM, ssh.SIGUSR1: syscall.SIGUSR1,
	ssh.SIGUSR2: syscall.SIGUSR2,
}

// unignoreSignals gives SIGHUP and SIGINT their default effect in sessions. A
// process inherits the signals that its parent ignores, and the agent's parent
// or the container runtime may have been started with nohup or in the background.
// The Go runtime handles the other signals, and children do not inherit handlers.
// The agent itself receives the two signals and drops them.
func unignoreSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// exitMessage returns the request that tells a client how its command ended.
func exitMessage(state *os.ProcessState) (requestType string, payload []byte) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return exitStatus(state.ExitCode())
	}
	return "exit-signal", ssh.Marshal(struct {
		Signal     string
		CoreDumped bool
		Message    string
		Language   string
	}{signalName(status.Signal()), status.CoreDump(), "", ""})
}

func exitStatus(code int) (requestType string, payload []byte) {
	return "exit-status", ssh.Marshal(struct{ Code uint32 }{uint32(code)})
}

// signalName returns a signal's name without "SIG". A name that is not in the
// RFC gets a suffix, as the RFC requires.
func signalName(number syscall.Signal) string {
	for name, known := range signalNumbers {
		if known == number {
			return string(name)
		}
	}
	name := strings.TrimPrefix(unix.SignalName(number), "SIG")
	if name == "" {
		name = strconv.Itoa(int(number))
	}
	return name + "@openssh.com"
}
