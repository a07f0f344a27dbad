package sshd

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// signalNumbers has the signals for which SSH has a name: RFC 4254, section 6.10.
var signalNumbers = map[ssh.Signal]syscall.Signal{
	ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGFPE: syscall.SIGFPE,
	ssh.SIGHUP: syscall.SIGHUP, ssh.SIGILL: syscall.SIGILL, ssh.SIGINT: syscall.SIGINT,
	ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE, ssh.SIGQUIT: syscall.SIGQUIT,
	ssh.SIGSEGV: syscall.SIGSEGV, ssh.SIGTERM: syscall.SIGTERM, ssh.SIGUSR1: syscall.SIGUSR1,
	ssh.SIGUSR2: syscall.SIGUSR2,
}

// exitMessage returns the request that tells a client how its command ended.
func exitMessage(exit spawnapi.Exit) (requestType string, payload []byte) {
	if exit.Signal == 0 {
		return exitStatus(exit.Code)
	}
	return "exit-signal", ssh.Marshal(struct {
		Signal     string
		CoreDumped bool
		Message    string
		Language   string
	}{signalName(syscall.Signal(exit.Signal)), exit.Core, "", ""})
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
