package doctor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"devserver.io/devserver/internal/cli/config"
	"devserver.io/devserver/internal/cli/sshconfig"
	"devserver.io/devserver/internal/sshkeys"
)

// machine reads the facts of this machine. What it cannot read counts as missing.
func machine(ctx context.Context) facts {
	var f facts
	// ssh prints its version on standard error.
	if said, err := exec.CommandContext(ctx, "ssh", "-V").CombinedOutput(); err == nil {
		f.ssh = strings.TrimSpace(string(said))
	}
	if keys, err := exec.CommandContext(ctx, "ssh-add", "-L").Output(); err == nil {
		f.agentKeys = usable(string(keys))
	}
	if _, err := config.Load(); err != nil {
		f.config = err.Error()
	}
	f.included = sshconfig.Included()
	home, err := os.UserHomeDir()
	if err != nil {
		return f
	}
	files, _ := filepath.Glob(filepath.Join(home, ".ssh", "*.pub")) // fails for a bad pattern only
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && usable(string(text)) > 0 {
			f.keys = append(f.keys, filepath.Base(file))
		}
	}
	return f
}

// usable counts the lines with a key that a server would accept.
func usable(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if _, _, err := sshkeys.ParseAuthorized(strings.TrimSpace(line)); err == nil {
			n++
		}
	}
	return n
}
