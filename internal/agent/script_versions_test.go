package agent_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// checkout is the root of the repository.
const checkout = "../.."

// TestVersions runs the SSH server of one version with the spawner of another. A running
// server has two versions after an update, which replaces only its SSH server, or after a
// rollback of one.
func TestVersions(t *testing.T) {
	previous := previousAgent(t)
	for name, setup := range map[string]func(*testscript.Env){
		"NewServer":  func(env *testscript.Env) { env.Setenv("AGENT", previous); env.Setenv("SERVE", "devserver-agent") },
		"NewSpawner": func(env *testscript.Env) { env.Setenv("SERVE", previous) },
	} {
		t.Run(name, func(t *testing.T) {
			runScripts(t, testscript.Params{Dir: "testdata/versionscript", Setup: func(env *testscript.Env) error {
				setup(env)
				return setupServer(env)
			}})
		})
	}
}

// previousAgent builds the agent of the previous version, which test/upgrade/PREVIOUS
// names, from the history of the repository.
func previousAgent(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(checkout, ".git")); err != nil {
		t.Skip("requires the history of the repository: ", err)
	}
	name, err := os.ReadFile(filepath.Join(checkout, "test", "upgrade", "PREVIOUS"))
	if err != nil {
		t.Fatal(err)
	}
	commit := strings.TrimSpace(string(name))
	dir := t.TempDir()
	source, program := filepath.Join(dir, "source"), filepath.Join(dir, "agent")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	const script = `set -e
git -C "$1" archive --format=tar --output="$2.tar" "$3"
tar -x -C "$2" -f "$2.tar"
go -C "$2" build -trimpath -buildvcs=false -o "$4" ./cmd/agent`
	if out, err := exec.Command("sh", "-c", script, "sh", checkout, source, commit, program).CombinedOutput(); err != nil {
		t.Fatalf("building the agent of commit %s (in a shallow clone, run git fetch --unshallow first): %v\n%s", commit, err, out)
	}
	return program
}
