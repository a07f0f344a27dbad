package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// userID is an id that nobody has on the machine of the test.
const userID = 54321

// TestRootScripts runs the agent as a box's that grants root, in the way of
// TestScripts. Each script of testdata/rootscript is one box.
func TestRootScripts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the agent of such a box is root")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/rootscript",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupRootBox,
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

// setupRootBox makes a box into which the user gets, and its keys in a folder
// of their own, as a mount is.
func setupRootBox(env *testscript.Env) error {
	if err := setupBox(env); err != nil {
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
	if err := os.MkdirAll(filepath.Join(work, "keys"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(work, "secret"), filepath.Join(work, "keys", "ssh")); err != nil {
		return err
	}
	if err := os.Chown(filepath.Join(work, "home"), userID, userID); err != nil {
		return err
	}
	// The test's own binary is in a folder where only root gets.
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

// openParents lets everybody through to a folder.
func openParents(dir string) error {
	for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// startRootAgent starts a box that grants root: agent [NAME=VALUE...] [FLAGS...].
func startRootAgent(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	startAgent(ts, neg, append(args, "--root", fmt.Sprintf("--uid=%d", userID), fmt.Sprintf("--gid=%d", userID),
		"--ssh-dir="+work+"/keys/ssh", "--passwd="+work+"/etc/passwd", "--group="+work+"/etc/group"))
}
