package agent_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"devserver.io/devserver/internal/agent"
)

// tools are what the scripts run, and the Debian package of each.
var tools = map[string]string{
	"ssh": "openssh-client", "scp": "openssh-client", "sftp": "openssh-client", "ssh-add": "openssh-client",
	"ssh-agent": "openssh-client", "ssh-keygen": "openssh-client", "rsync": "rsync", "tmux": "tmux",
	"bash": "bash", "dash": "dash", "ps": "procps", "curl": "curl", "git": "git",
	"fusermount3": "fuse3", "lftp": "lftp", "sshfs": "sshfs", "unzip": "unzip", "zip": "zip",
}

func TestMain(m *testing.M) {
	for tool, debianPackage := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "these tests need %s: apt-get install %s\n", tool, debianPackage)
			os.Exit(1)
		}
	}
	testscript.Main(m, map[string]func(){
		"devserver-agent": func() { os.Exit(agent.Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"netcat":          netcat,
		"socketserver":    socketServer,
	})
}

// TestScripts runs the agent, as its own processes, against the OpenSSH client.
// Each script in testdata/script is one server.
func TestScripts(t *testing.T) {
	runScripts(t, testscript.Params{Dir: "testdata/script", Setup: setupServer})
}

// TestScriptsRelayed runs the scripts that transfer data as if open files could not be
// passed between the agent's programs.
func TestScriptsRelayed(t *testing.T) {
	var files []string
	for _, name := range []string{"exec", "terminal", "forward", "forwardagent", "files", "lftp", "multiplex", "survive", "stop", "crash", "noshell"} {
		files = append(files, filepath.Join("testdata", "script", name+".txtar"))
	}
	runScripts(t, testscript.Params{Files: files, Setup: func(env *testscript.Env) error {
		env.Setenv("RELAY", "yes")
		return setupServer(env)
	}})
}

// runScripts adds to params what all scripts have in common.
func runScripts(t *testing.T, params testscript.Params) {
	testscript.Run(t, testscript.Params{
		Dir:                 params.Dir,
		Files:               params.Files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               params.Setup,
		Deadline:            time.Now().Add(5 * time.Minute),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"agent":      startAgent,
			"stopagent":  stopAgent,
			"crashagent": crashAgent,
			"waitlog":    waitLog,
			"eventually": eventually,
			"authorize":  authorize,
			"nozombies":  noZombies,
			"gone":       gone,
			"poll":       poll,
			"drain":      drain,
			"active":     active,
			"idle":       idle,
			"mount":      mountRemote,
			"unmount":    unmountRemote,
		},
		Condition: fuseCondition,
	})
}

// setupServer creates the keys, home directory and clients of a server.
func setupServer(env *testscript.Env) error {
	work := env.WorkDir
	// Paths of unix sockets are limited to 107 bytes.
	sockets, err := os.MkdirTemp("/tmp", "server")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(sockets) })
	for _, dir := range []string{"secret", "home", "bin", "image-bin"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o700); err != nil {
			return err
		}
	}
	for _, name := range []string{"secret/ssh_host_ed25519_key", "id", "other"} {
		if err := keygen(filepath.Join(work, name), "-t", "ed25519"); err != nil {
			return err
		}
	}
	public, err := os.ReadFile(filepath.Join(work, "id.pub"))
	if err != nil {
		return err
	}
	_, controlKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(controlKey)
	if err != nil {
		return err
	}
	files := map[string]string{
		"secret/authorized_keys": string(public),
		"secret/control_key":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"secret/control_token":   "the operator's\n",
		"passwd":                 "root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::" + work + "/home:/bin/bash\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, client := range []string{"ssh", "scp", "sftp"} {
		if err := wrapClient(work, client); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(sockets, "spawner"), 0o755); err != nil {
		return err
	}
	env.Setenv("S", sockets)
	env.Setenv("PATH", filepath.Join(work, "bin")+":"+env.Getenv("PATH"))
	env.Setenv("HOME", work)
	env.Setenv("SSH_AUTH_SOCK", "")
	env.Values[agentKey{}] = &agentProcess{seen: map[string]time.Time{}}
	return nil
}

// wrapClient puts a script before the real client in PATH, so that test scripts have
// the commands that a user types. The client itself reads its configuration from the
// real home directory only.
func wrapClient(work, client string) error {
	real, err := exec.LookPath(client)
	if err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s -F %s/ssh_config \"$@\"\n", real, work)
	return os.WriteFile(filepath.Join(work, "bin", client), []byte(script), 0o700)
}

func keygen(path string, args ...string) error {
	out, err := exec.Command("ssh-keygen", append(args, "-q", "-N", "", "-C", "", "-f", path)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return nil
}
