package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/binary"
	"devserver.io/devserver/local/internal/debian"
	"devserver.io/devserver/local/internal/image"
	"devserver.io/devserver/local/internal/node"
	"devserver.io/devserver/local/internal/part"
	"devserver.io/devserver/local/internal/progress"
)

func upCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up, or repair it; what runs already is left alone",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return env.up(cmd.Context()) },
	}
}

func (e *environment) up(ctx context.Context) error {
	if err := needRoot(); err != nil {
		return err
	}
	started := time.Now()
	packages := slices.Concat(debian.Build, debian.Node, debian.Shell)
	if err := debian.Ensure(ctx, e.reporter, filepath.Join(e.cache, "log", "apt.log"), packages...); err != nil {
		return err
	}
	binaries, err := e.binaries().Ensure(ctx, binary.Targets)
	if err != nil {
		return err
	}
	release, err := e.cluster.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	n, err := node.Prepare(ctx, e.cluster, binaries, e.reporter)
	if err != nil {
		return err
	}
	if err := n.Up(ctx); err != nil {
		return err
	}
	if err := e.loadPause(ctx, binaries); err != nil {
		return err
	}
	e.reporter.Say("Cluster %s is up after %s: %s", e.cluster.Name, progress.Duration(time.Since(started)), e.cluster.Kubeconfig())
	return nil
}

func (e *environment) store(binaries string) image.Node {
	return image.Node{Socket: part.ContainerdSocket(e.cluster), Ctr: filepath.Join(binaries, "ctr"), Records: e.cluster.State("images")}
}

// loadPause loads the image that every pod starts with.
func (e *environment) loadPause(ctx context.Context, binaries string) error {
	pause, err := image.Scratch(runtime.GOARCH, v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"},
		image.File{Path: "/pause", Mode: 0o755, Source: filepath.Join(binaries, "pause")})
	if err != nil {
		return fmt.Errorf("build the pause image: %w", err)
	}
	_, err = e.store(binaries).Ensure(ctx, part.PauseImage, pause)
	return err
}
