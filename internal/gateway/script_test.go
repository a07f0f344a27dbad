package gateway

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// TestScripts runs testdata/script with the OpenSSH client.
//
// In them alice's key opens mine.team, pending.team and shared.team, and bob's
// opens his.team and shared.team. The variable KEY names the private key to
// use; $WORK/config has the hosts gateway and *.team.
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
			"revoke":        revoke,
		},
	})
}

// stage is what the commands of a script act upon.
type stage struct {
	t       testing.TB
	world   *world
	started map[string]<-chan struct{}
}

type stageKey struct{}

func setUp(env *testscript.Env) error {
	t := env.T().(testing.TB)
	w := newWorld(t)
	alice, err := writeKey(filepath.Join(env.WorkDir, "alice"))
	if err != nil {
		return err
	}
	bob, err := writeKey(filepath.Join(env.WorkDir, "bob"))
	if err != nil {
		return err
	}
	stranger := filepath.Join(env.WorkDir, "stranger")
	if _, err := writeKey(stranger); err != nil {
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
		// Every box would take alice: what keeps her out is the gateway.
		hostKey, started := w.sshBox(t, ip, alice, bob)
		knownAs(b.address, hostKey)
		s.started[b.address] = started
		w.put(running(b.address, ip, b.keys...))
	}
	asleep := running("pending.team", "", alice)
	pending(asleep, "no node has a free GPU")
	w.put(asleep)

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

// writeKey makes the private key file, and file-stolen.pub for somebody who has
// only the public half.
func writeKey(file string) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	plain, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		file:                 pem.EncodeToMemory(plain),
		file + "-stolen.pub": ssh.MarshalAuthorizedKey(signer.PublicKey()),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return nil, err
		}
	}
	return signer, nil
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// awaitCommand waits until a command has started in a box.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	<-stageOf(ts).started[args[0]]
}

// awaitLog waits for a message in the gateway's log and prints the line.
func awaitLog(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	fmt.Fprintln(ts.Stdout(), s.world.log.await(s.t, strings.Join(args, " ")))
}

// revoke takes all keys from a box.
func revoke(ts *testscript.TestScript, _ bool, args []string) {
	w := stageOf(ts).world
	w.put(running(args[0], w.boxes[args[0]].Status.PodIP))
}
