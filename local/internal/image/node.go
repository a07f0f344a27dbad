package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Node is the image store of a local cluster's containerd.
type Node struct {
	// Socket is containerd's; Ctr the path of its client.
	Socket, Ctr string
	// Records is a folder with a record of what was loaded.
	Records string
}

// Import loads an image archive (docker save, or an OCI layout in a tar file).
func (n Node) Import(ctx context.Context, archive string) error { return n.load(ctx, nil, archive) }

// Ensure loads an image, unless the same content was loaded under the same name
// before.
func (n Node) Ensure(ctx context.Context, ref string, built Built) error {
	record := filepath.Join(n.Records, strings.NewReplacer("/", "_", ":", "_").Replace(ref))
	if old, err := os.ReadFile(record); err == nil && string(old) == built.Key {
		return nil
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	image, err := built.Image()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.Records, 0o700); err != nil {
		return err
	}
	// Straight into ctr: writing the archive of a server image to disk would take half a gigabyte.
	pipe, archive := io.Pipe()
	go func() { archive.CloseWithError(tarball.Write(tag, image, archive)) }()
	defer pipe.Close()
	if err := n.load(ctx, pipe, "-"); err != nil {
		return fmt.Errorf("load %s: %w", ref, err)
	}
	return os.WriteFile(record, []byte(built.Key), 0o600)
}

func (n Node) load(ctx context.Context, in io.Reader, archive string) error {
	args := []string{"--address", n.Socket, "--namespace", "k8s.io", "images", "import", "--platform=linux/" + runtime.GOARCH, archive}
	cmd := exec.CommandContext(ctx, n.Ctr, args...)
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr images import: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
