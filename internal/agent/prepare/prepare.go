// Package prepare is a box's init step. It runs the agent's image as the
// box's user, without capabilities, with the box's own image mounted beside
// it, and leaves in a shared folder what makes any image a box: the agent,
// a passwd and a group that know the user, and a login profile. It also makes
// the home on its volume, and fills a new one from the image's /etc/skel.
//
// It never runs anything from the box's image, and reads it as untrusted:
// every symbolic link in it is followed inside it only.
package prepare

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"devserver.io/devserver/internal/agentapi"
)

// Config says where everything is. The defaults are package agentapi's.
type Config struct {
	// ImageDir is the root of the box's image.
	ImageDir string
	// VolumeDir is the root of the home volume; the home is its folder HomeName.
	VolumeDir string
	HomeName  string
	// AgentDir is filled with what the main container needs.
	AgentDir string
	// Binary is the agent's executable, which is copied to AgentDir.
	Binary string
	// UID and GID are who the box runs as.
	UID, GID int
	Logger   *slog.Logger
}

// Run prepares the box. It may be interrupted anywhere and run again. Its
// error is one sentence for the box's owner: it ends up in the pod's status.
func Run(cfg Config) error {
	image := imageRoot(cfg.ImageDir)
	if err := image.check(); err != nil {
		return err
	}
	if err := writeAgentDir(cfg, image); err != nil {
		return err
	}
	h := home{volume: cfg.VolumeDir, name: cfg.HomeName, log: cfg.Logger}
	return h.prepare(image)
}

func writeAgentDir(cfg Config, image imageRoot) error {
	if err := copyBinary(cfg.Binary, filepath.Join(cfg.AgentDir, agentapi.AgentFile)); err != nil {
		return err
	}
	passwd, err := image.readText("/etc/passwd")
	if err != nil {
		return err
	}
	group, err := image.readText("/etc/group")
	if err != nil {
		return err
	}
	id := identity{cfg.UID, cfg.GID}
	files := map[string]string{
		agentapi.PasswdFile:  mergePasswd(passwd, image.shell(), id),
		agentapi.GroupFile:   mergeGroup(group, id),
		agentapi.ProfileFile: Profile,
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(cfg.AgentDir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// copyBinary puts the agent in place in one step, so that an interrupted copy
// never looks like an agent.
func copyBinary(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("the agent cannot read its own binary: %w", err)
	}
	defer source.Close()
	return replace(to, 0o755, source)
}

func writeFile(path, text string) error {
	return replace(path, 0o644, strings.NewReader(text))
}

// replace writes path through a temporary sibling.
func replace(path string, mode fs.FileMode, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return agentDirError(path, err)
	}
	// A step that was killed leaves its temporary file behind: the fixed name
	// lets the next one overwrite it, and one step runs at a time.
	temporary := path + ".tmp"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return agentDirError(path, err)
	}
	_, err = io.Copy(file, content)
	err = errors.Join(err, file.Chmod(mode), file.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return agentDirError(path, err)
	}
	return nil
}

func agentDirError(path string, err error) error {
	return fmt.Errorf("cannot write %s for the box's main container: %w: "+
		"the volume there must be an emptyDir that uid %d may write to", path, cause(err), os.Getuid())
}

// cause strips the path that os puts into its errors: the sentence has it.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return link.Err
	}
	return err
}
