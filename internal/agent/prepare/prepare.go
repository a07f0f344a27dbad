// Package prepare is the step of a server's init container. The container runs the
// agent's image as the server's user, without capabilities, and mounts the server's
// image. The step writes to a shared folder what the main container needs with any
// image: the agent, passwd and group files with the user, and a login profile. It also
// creates the home directory on its volume from the image's /etc/skel.
//
// The server's image is not trusted. Nothing from it is executed, and symbolic links in
// it are followed inside it only.
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

// Config has the paths and IDs that the step uses. Package agentapi has the defaults.
type Config struct {
	// ImageDir is the root of the server's image.
	ImageDir string
	// VolumeDir is the root of the home volume; the home is its folder HomeName.
	VolumeDir string
	HomeName  string
	// AgentDir is filled with what the main container needs.
	AgentDir string
	// RunDir is the folder that the main container shares with the SSH server.
	RunDir string
	// Binary is the agent's executable, which is copied to AgentDir.
	Binary string
	// UID and GID are the user and group that the server runs as.
	UID, GID int
	Logger   *slog.Logger
}

// Run prepares the server. If it is interrupted at any point, it can be run again. Its
// error is a sentence for the server's owner, which the pod's status shows.
func Run(cfg Config) error {
	image := imageRoot(cfg.ImageDir)
	if err := image.check(); err != nil {
		return err
	}
	if err := writeAgentDir(cfg, image); err != nil {
		return err
	}
	if err := makeRunDir(cfg.RunDir); err != nil {
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

// runMode lets the SSH server, which is another user, reach the spawner's socket, but not
// replace it.
const runMode = 0o755

// makeRunDir creates the folder of the spawner's socket. Every user can write to the
// volume that contains it, so the other containers mount only the folder.
func makeRunDir(dir string) error {
	err := os.Mkdir(dir, runMode)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = os.Chmod(dir, runMode) // whatever the umask
	}
	return agentDirError(dir, err)
}

// copyBinary copies the agent's binary. The copy appears in one step, so that an
// interrupted one is never executed.
func copyBinary(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("the agent cannot read its own binary: %w", err)
	}
	defer source.Close()
	return agentDirError(to, replace(to, source, 0o755, unchanged, unchanged))
}

func writeFile(path, text string) error {
	return agentDirError(path, replace(path, strings.NewReader(text), 0o644, unchanged, unchanged))
}

// unchanged is the uid or gid of a file that keeps those of its creator.
const unchanged = -1

// replace writes a file in one step, through a temporary file beside it.
func replace(path string, content io.Reader, mode fs.FileMode, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// The name is always the same, so that the next step overwrites a temporary file
	// that one which was killed has left. Only one step runs at a time.
	temporary := path + ".devserver"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	err = errors.Join(err, file.Chown(uid, gid), file.Chmod(mode), file.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	return err
}

func agentDirError(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot write %s for the server's main container: %w: "+
		"the volume there must be an emptyDir that uid %d may write to", path, cause(err), os.Getuid())
}

// cause returns an error of package os without its path, which the message has already.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return link.Err
	}
	return err
}
