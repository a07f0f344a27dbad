package gateway

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/sshserver"
)

// TestScripts runs testdata/script with the OpenSSH client.
//
// In them alice's key opens mine.team, pending.team, shared.team and suspended.team,
// which wakes when its Lease is edited, and bob's opens his.team and shared.team. The
// variable KEY is the file of the private key to use. $WORK/config has the hosts
// gateway and *.team.
func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Fatalf("the OpenSSH client is needed: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await-command": awaitCommand,
			"await-log":     awaitLog,
			"exits":         exits,
			"lease-edits":   leaseEdits,
			"revoke":        revoke,
		},
	})
}

// stage is what the commands of a script work on.
type stage struct {
	t       testing.TB
	world   *world
	started map[string]<-chan struct{}
}

type stageKey struct{}

func setUp(env *testscript.Env) error {
	t := env.T().(testing.TB)
	w := newWorld(t)
	alice := sshserver.WriteKey(t, filepath.Join(env.WorkDir, "alice"))
	bob := sshserver.WriteKey(t, filepath.Join(env.WorkDir, "bob"))
	sshserver.WriteKey(t, filepath.Join(env.WorkDir, "stranger"))
	// Alice's public key, without her private key.
	stolen := ssh.MarshalAuthorizedKey(alice.PublicKey())
	if err := os.WriteFile(filepath.Join(env.WorkDir, "alice-stolen.pub"), stolen, 0o600); err != nil {
		return err
	}
	known := &strings.Builder{}
	_, port, _ := net.SplitHostPort(w.address)
	knownAs := func(host string, key ssh.PublicKey) {
		fmt.Fprintf(known, "%s %s", host, ssh.MarshalAuthorizedKey(key))
	}
	knownAs("gateway", w.hostKey.PublicKey())
	s := &stage{t: t, world: w, started: map[string]<-chan struct{}{}}
	for i, b := range []struct {
		address string
		keys    []ssh.Signer
	}{
		{"mine.team", []ssh.Signer{alice}},
		{"shared.team", []ssh.Signer{alice, bob}},
		{"his.team", []ssh.Signer{bob}},
	} {
		ip := fmt.Sprintf("10.0.0.%d", i+1)
		// Every server would accept alice. The gateway is what refuses her.
		standIn := sshserver.New(t, alice.PublicKey(), bob.PublicKey())
		w.route(ip, standIn.Address)
		knownAs(b.address, standIn.HostKey)
		s.started[b.address] = standIn.Started
		w.put(running(b.address, ip, b.keys...))
	}
	waiting := running("pending.team", "", alice)
	pending(waiting, "no node has a free GPU")
	w.put(waiting)
	idle := suspended("suspended.team", alice)
	idle.Status.Lifecycle = &devserverv1.LifecycleStatus{IdleTimeout: &metav1.Duration{Duration: 2 * time.Hour}}
	w.put(idle)
	w.edited = func(name types.NamespacedName) error {
		if address(name) == "suspended.team" {
			go w.put(running("suspended.team", "10.0.0.1", alice))
		}
		return nil
	}

	env.Values[stageKey{}] = s
	env.Setenv("KEY", filepath.Join(env.WorkDir, "alice"))
	if err := os.WriteFile(filepath.Join(env.WorkDir, "known_hosts"), []byte(known.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(env.WorkDir, "config"), []byte(clientConfig(env.WorkDir, port)), 0o600)
}

func clientConfig(dir, port string) string {
	return fmt.Sprintf(`
Host gateway
	HostName 127.0.0.1
	Port %[2]s
	HostKeyAlias gateway
Host *.team
	ProxyJump gateway
	User dev
Host *
	IdentityFile ${KEY}
	IdentitiesOnly yes
	IdentityAgent none
	BatchMode yes
	StrictHostKeyChecking yes
	UserKnownHostsFile "%[1]s/known_hosts"
	GlobalKnownHostsFile /dev/null
`, dir, port)
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// awaitCommand waits until a command has started in a server.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	<-stageOf(ts).started[args[0]]
}

// awaitLog waits for a message in the gateway's log and prints the line.
func awaitLog(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	fmt.Fprintln(ts.Stdout(), s.world.log.await(s.t, strings.Join(args, " ")))
}

// exits runs a command: exits CODE COMMAND ARGS...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v: exit code %d, want %s", args[1:], code, args[0])
	}
}

// leaseEdits prints what the gateway has written.
func leaseEdits(ts *testscript.TestScript, _ bool, _ []string) {
	fmt.Fprintln(ts.Stdout(), strings.Join(stageOf(ts).world.leaseEdits(), "\n"))
}

// revoke removes all keys from a DevServer.
func revoke(ts *testscript.TestScript, _ bool, args []string) {
	w := stageOf(ts).world
	w.put(running(args[0], w.servers[args[0]].Status.PodIP))
}
