package code

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/openssh"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/cli/sshconfig"
	"devserver.io/devserver/internal/exit"
)

// Options say what to open, and how.
type Options struct {
	reach.Options
	Editor string
	Yes    bool
}

// editors have the flag --remote of VS Code. The first that is installed is used.
var editors = []string{"code", "cursor", "code-insiders", "windsurf", "codium"}

// applications are the paths of editors on macOS, whose commands may not be in
// PATH.
var applications = map[string]string{
	"code":          "/Applications/Visual Studio Code.app/Contents/Resources/app/bin/code",
	"cursor":        "/Applications/Cursor.app/Contents/Resources/app/bin/cursor",
	"code-insiders": "/Applications/Visual Studio Code - Insiders.app/Contents/Resources/app/bin/code",
	"windsurf":      "/Applications/Windsurf.app/Contents/Resources/app/bin/windsurf",
}

// Run waits for the server, adds it to ssh's configuration and opens the editor.
func Run(ctx context.Context, to *cluster.Cluster, t reach.Target, folder string, o Options, streams genericiooptions.IOStreams) error {
	// A missing editor is reported before a server is woken.
	editor, err := find(o.Editor)
	if err != nil {
		return err
	}
	ds, err := reach.Running(ctx, to.Client, t, o.Options, streams)
	if err != nil {
		return err
	}
	host, err := sshconfig.Ensure(ctx, to, ds, sshconfig.Options{Yes: o.Yes, Terminal: o.Terminal, Via: o.Via}, streams)
	if err != nil {
		return err
	}
	output.Printf(streams.ErrOut, "Opening %s on %s.\n", filepath.Base(editor), host)
	return openssh.Run(ctx, []string{editor, "--remote", "ssh-remote+" + host, absolute(folder)}, streams)
}

// find is the editor's program.
func find(editor string) (string, error) {
	candidates := editors
	if editor != "" {
		candidates = []string{editor}
	}
	for _, name := range candidates {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
		if _, err := os.Stat(applications[name]); err == nil {
			return applications[name], nil
		}
	}
	if editor != "" {
		return "", exit.With(exit.Refused, fmt.Errorf("%s is not in PATH: install it, or its shell command (in VS Code and Cursor: \"Shell Command: Install '%s' command in PATH\")", editor, filepath.Base(editor)))
	}
	return "", exit.With(exit.Refused, fmt.Errorf("none of %s is in PATH: install VS Code or Cursor, or name a program with --editor; for other editors: devctl ssh-config", strings.Join(editors, ", ")))
}

// absolute is the absolute path of a directory in the server. A relative one is in
// the home directory.
func absolute(folder string) string {
	rest, ok := strings.CutPrefix(folder, "~")
	if ok && (rest == "" || rest[0] == '/') {
		folder = strings.TrimPrefix(rest, "/")
	}
	if path.IsAbs(folder) {
		return folder
	}
	return path.Join(agentapi.Home, folder)
}
