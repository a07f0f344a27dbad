package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/debian"
	"devserver.io/devserver/local/internal/image"
)

func imagesCommand(env *environment) *cobra.Command {
	var platforms, only []string
	var registry, dist string
	var test, load bool
	command := &cobra.Command{
		Use:   "images",
		Short: "Build the images for all platforms: into archives, into a registry, or into the cluster",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := needRoot(); err != nil {
				return err
			}
			if err := env.packages(ctx, debian.Server...); err != nil {
				return err
			}
			if load {
				return env.loadImages(ctx, only, test)
			}
			if dist == "" {
				dist = filepath.Join(env.root, "dist", "images")
			}
			return env.publish(ctx, publication{platforms: platforms, only: only, registry: registry, dist: dist, test: test})
		},
	}
	flags := command.Flags()
	flags.StringSliceVar(&platforms, "platform", []string{"linux/amd64", "linux/arm64"}, "platforms to build for")
	flags.StringSliceVar(&only, "only", nil, "only these images, such as operator,agent")
	flags.StringVar(&registry, "push", "", "push to this registry, such as registry.example.com/devserver, instead of writing archives, and write the digests as values of the chart")
	flags.StringVar(&dist, "dist", "", "folder for the archives, or for digests.yaml with --push (default: dist/images in the checkout)")
	flags.BoolVar(&test, "test", false, "also build the images that tests use")
	flags.BoolVar(&load, "load", false, "build for this machine only and load the images into the cluster")
	return command
}

func (e *environment) loadImages(ctx context.Context, only []string, test bool) error {
	binaries, err := e.connected(ctx)
	if err != nil {
		return err
	}
	loads, err := e.build(ctx, only, test)
	if err != nil {
		return err
	}
	return e.load(ctx, binaries, loads)
}

type publication struct {
	platforms, only []string
	registry, dist  string
	test            bool
}

// publish builds every image for every platform, and pushes or archives it under one name.
func (e *environment) publish(ctx context.Context, p publication) error {
	builder, err := e.builder()
	if err != nil {
		return err
	}
	builder.Compress = true
	var architectures []string
	for _, platform := range p.platforms {
		system, architecture, ok := strings.Cut(platform, "/")
		if !ok || system != "linux" || architecture != "amd64" && architecture != "arm64" {
			return fmt.Errorf("cannot build for platform %q: choose from linux/amd64 and linux/arm64", platform)
		}
		architectures = append(architectures, architecture)
	}
	if slices.ContainsFunc(architectures, func(a string) bool { return a != runtime.GOARCH }) {
		if err := e.packages(ctx, debian.Foreign...); err != nil {
			return err
		}
	}
	definitions, err := builder.Select(p.only, p.test)
	if err != nil {
		return err
	}
	if p.registry != "" {
		return e.push(ctx, builder, definitions, architectures, p)
	}
	for _, d := range definitions {
		index, err := builder.Index(ctx, d, architectures)
		if err != nil {
			return err
		}
		if err := e.archive(builder, d, p.dist, index); err != nil {
			return err
		}
	}
	return nil
}

// push pushes the images, and writes their digests as values of the chart.
func (e *environment) push(ctx context.Context, builder image.Builder, definitions []image.Definition, architectures []string, p publication) error {
	file := filepath.Join(p.dist, "digests.yaml")
	if err := image.RemoveDigests(file); err != nil {
		return err
	}
	digests := image.Digests{Registry: p.registry, Version: builder.Version}
	for _, d := range definitions {
		index, err := builder.Index(ctx, d, architectures)
		if err != nil {
			return err
		}
		ref := builder.Reference(p.registry, d.Name)
		step := e.reporter.Start("push " + ref)
		digest, err := index.Push(ctx, ref)
		step.End(err)
		if err != nil {
			return err
		}
		e.reporter.Say("Pushed %s@%s", ref, digest)
		digests.Add(d, digest)
	}
	if err := digests.Write(file); err != nil {
		return err
	}
	e.reporter.Say("Wrote the images' digests to %s: helm install … --values %[1]s", file)
	return nil
}

func (e *environment) archive(b image.Builder, d image.Definition, dist string, index image.Index) error {
	path := filepath.Join(dist, strings.ReplaceAll(d.Name, "/", "-")+"-"+b.Version+".tar")
	step := e.reporter.Start("write " + path)
	err := index.Archive(b.Reference(image.Registry, d.Name), path)
	step.End(err)
	if err == nil {
		e.reporter.Say("Wrote %s", path)
	}
	return err
}
