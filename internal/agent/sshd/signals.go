package sshd

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// signalNumbers are the signals that SSH has names for: RFC 4254, section 6.10.
var signalNumbers = map[ssh.Signal]syscall.Signal{
	ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGFPE: syscall.SIGFPE,
	ssh.SIGHUP: syscall.SIGHUP, ssh.SIGILL: syscall.SIGILL, ssh.SIGINT: syscall.SIGINT,
	ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE, ssh.SIGQUIT: syscall.SIGQUIT,
	ssh.SIGSEGV: syscall.SIGSEGV, ssh.SIGTERM: syscall.SIGTERM, ssh.SIGUSR1: syscall.SIGUSR1,
	ssh.SIGUSR2: syscall.SIGUSR2,
}

// exitMessage tells a client how its command ended.
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

// signalName is a signal's name without "SIG". Those that the standard does
// not know carry a suffix, as it demands.
func signalName(signal syscall.Signal) string {
	for name, number := range signalNumbers {
		if number == signal {
			return string(name)
		}
	}
	name := strings.TrimPrefix(unix.SignalName(signal), "SIG")
	if name == "" {
		name = strconv.Itoa(int(signal))
	}
	return name + "@openssh.com"
}
