package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"devserver.io/devserver/internal/agentapi"
)

// userID is a user ID without an account on the host of the test.
const userID = 54321

// TestRootScripts runs the agent of servers that grant root, as TestScripts does. Each
// script in testdata/rootscript is one server.
func TestRootScripts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("requires root, as which the agent of such a server runs")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/rootscript",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupRootServer,
		Deadline:            time.Now().Add(5 * time.Minute),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"agent":      startRootAgent,
			"stopagent":  stopAgent,
			"crashagent": crashAgent,
			"waitlog":    waitLog,
			"eventually": eventually,
			"gone":       gone,
		},
	})
}

// setupRootServer creates a server that the user can enter, whose keys only the user of
// the SSH server can read.
func setupRootServer(env *testscript.Env) error {
	if err := setupServer(env); err != nil {
		return err
	}
	work := env.WorkDir
	if err := openParents(work); err != nil {
		return err
	}
	if err := os.Chmod(env.Getenv("S"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(work, "etc"), 0o755); err != nil {
		return err
	}
	// The prepare step makes the folder of the socket, as the user.
	if err := os.Chown(filepath.Join(env.Getenv("S"), "spawner"), userID, userID); err != nil {
		return err
	}
	if out, err := exec.Command("chown", "-R", fmt.Sprint(agentapi.SSHUID), filepath.Join(work, "secret")).CombinedOutput(); err != nil {
		return fmt.Errorf("chown: %w: %s", err, out)
	}
	env.Setenv("SSH_UID", fmt.Sprint(agentapi.SSHUID))
	if err := os.Chown(filepath.Join(work, "home"), userID, userID); err != nil {
		return err
	}
	// Only root can enter the folder of the test's binary.
	binary, err := exec.LookPath("devserver-agent")
	if err != nil {
		return err
	}
	agent := filepath.Join(work, "devserver-agent")
	if out, err := exec.Command("install", "-m", "0755", binary, agent).CombinedOutput(); err != nil {
		return fmt.Errorf("install: %w: %s", err, out)
	}
	env.Setenv("AGENT", agent)
	return nil
}

// openParents lets every user enter a folder and its parents.
func openParents(dir string) error {
	for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// startRootAgent [NAME=VALUE...] [FLAGS...] starts the agent of a server that grants root.
func startRootAgent(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	startAgent(ts, neg, append(args, "--root", fmt.Sprintf("--uid=%d", userID), fmt.Sprintf("--gid=%d", userID),
		"--passwd="+work+"/etc/passwd", "--group="+work+"/etc/group"))
}
