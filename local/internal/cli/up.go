package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/binary"
	"devserver.io/devserver/local/internal/debian"
	"devserver.io/devserver/local/internal/image"
	"devserver.io/devserver/local/internal/node"
	"devserver.io/devserver/local/internal/part"
	"devserver.io/devserver/local/internal/progress"
)

func upCommand(env *environment) *cobra.Command {
	var noInstall, noImages bool
	command := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster with this checkout's operator, or repair or update it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return env.up(cmd.Context(), !noImages, !noInstall && !noImages)
		},
	}
	command.Flags().BoolVar(&noInstall, "no-install", false, "load the images, but do not install the operator's chart")
	command.Flags().BoolVar(&noImages, "no-images", false, "start a bare cluster: build and load no images, install nothing")
	return command
}

func (e *environment) up(ctx context.Context, images, install bool) error {
	if err := needRoot(); err != nil {
		return err
	}
	started := time.Now()
	packages := slices.Concat(debian.Build, debian.Node, debian.Shell)
	if images {
		packages = append(packages, debian.Server...)
	}
	if err := e.packages(ctx, packages...); err != nil {
		return err
	}
	binaries, err := e.binaries().Ensure(ctx, binary.Targets)
	if err != nil {
		return err
	}
	var loads []load
	if images {
		if loads, err = e.build(ctx, nil, false); err != nil {
			return err
		}
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
	// The operator does not require the image of servers, by far the largest.
	first, rest := split(loads)
	loaded := make(chan error, 1)
	err = n.Up(ctx, func(startup context.Context) error {
		if err := e.load(startup, binaries, first); err != nil {
			return err
		}
		go func() { loaded <- e.load(ctx, binaries, rest) }()
		return nil
	})
	if err != nil {
		return err
	}
	if install {
		if err := e.install(ctx, n.Client, binaries, loads); err != nil {
			return err
		}
	}
	if err := <-loaded; err != nil {
		return err
	}
	e.reporter.Say("Cluster %s is up after %s: %s", e.cluster.Name, progress.Duration(time.Since(started)), e.cluster.Kubeconfig())
	return nil
}

func (e *environment) packages(ctx context.Context, names ...string) error {
	return debian.Ensure(ctx, e.reporter, filepath.Join(e.cache, "log", "apt.log"), names...)
}

func (e *environment) builder() (image.Builder, error) {
	version, err := e.version()
	return image.New(e.root, e.cache, version, e.reporter), err
}

// load is an image to load into the cluster.
type load struct {
	name, ref string
	built     image.Built
}

// build builds images for this machine.
func (e *environment) build(ctx context.Context, names []string, test bool) ([]load, error) {
	builder, err := e.builder()
	if err != nil {
		return nil, err
	}
	definitions, err := builder.Select(names, test)
	if err != nil {
		return nil, err
	}
	var loads []load
	for _, d := range definitions {
		built, err := builder.Build(ctx, d, runtime.GOARCH)
		if err != nil {
			return nil, err
		}
		loads = append(loads, load{d.Name, builder.Reference(image.Registry, d.Name), built})
	}
	return loads, nil
}

// split separates the images of the chart's Deployments from the others.
func split(loads []load) (first, rest []load) {
	for _, l := range loads {
		if l.deployed() {
			first = append(first, l)
		} else {
			rest = append(rest, l)
		}
	}
	return first, rest
}

func (l load) deployed() bool { return l.name == "operator" || l.name == "gateway" }

// load loads images, and that of the pause container, into the cluster.
func (e *environment) load(ctx context.Context, binaries string, loads []load) error {
	store := image.Node{Socket: part.ContainerdSocket(e.cluster), Ctr: filepath.Join(binaries, "ctr"), Records: e.cluster.State("images")}
	pause, err := image.Pause(runtime.GOARCH, filepath.Join(binaries, "pause"))
	if err != nil {
		return fmt.Errorf("build the pause image: %w", err)
	}
	for _, l := range append([]load{{"pause", part.PauseImage, pause}}, loads...) {
		step := e.reporter.Start("load " + l.ref)
		err := store.Ensure(ctx, l.ref, l.built)
		step.End(err)
		if err != nil {
			return err
		}
	}
	return nil
}
