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

// signalNumbers are the signals that SSH has names for: RFC 4254, section 6.10.
var signalNumbers = map[ssh.Signal]syscall.Signal{
	ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGFPE: syscall.SIGFPE,
	ssh.SIGHUP: syscall.SIGHUP, ssh.SIGILL: syscall.SIGILL, ssh.SIGINT: syscall.SIGINT,
	ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE, ssh.SIGQUIT: syscall.SIGQUIT,
	ssh.SIGSEGV: syscall.SIGSEGV, ssh.SIGTERM: syscall.SIGTERM, ssh.SIGUSR1: syscall.SIGUSR1,
	ssh.SIGUSR2: syscall.SIGUSR2,
}

// heedSignals has the signals of a terminal do in sessions what they always do.
// What a process ignores, those that it starts ignore too; and whoever started
// this one, or the container runtime, may have been started by nohup, or in the
// background. Others than these two are handled in Go, which no child inherits.
// This process goes on ignoring them.
func heedSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
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
