package image

import (
	"context"
	"fmt"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devserver.io/devserver/local/internal/progress"
)

// Registry is the first part of the images' names. Nothing is ever pulled from
// it: it is where a cluster finds images that were loaded.
const Registry = "devserver.io"

// Builder makes the images of one checkout.
type Builder struct {
	// Root is the checkout, Cache where results are kept, Version the images' tag.
	Root, Cache, Version string
	Reporter             *progress.Reporter
	// Compress is for images that travel; on the same machine it only costs time.
	Compress bool

	// compiled holds, per architecture, the folder of the checkout's programs.
	compiled map[string]string
}

// New is a builder for a checkout.
func New(root, cache, version string, r *progress.Reporter) Builder {
	return Builder{Root: root, Cache: cache, Version: version, Reporter: r, compiled: map[string]string{}}
}

// Definition is one image.
type Definition struct {
	// Name is what follows the registry.
	Name string
	// Test marks images that only tests use.
	Test  bool
	build func(context.Context, Builder, string) (Built, error)
}

// Built is an image for one architecture.
type Built struct {
	// Key changes when the content does. It is there before the image is.
	Key   string
	Image func() (v1.Image, error)
}

// Definitions are all images.
var Definitions = []Definition{
	{Name: "operator", build: program("operator", withAuthorities)},
	{Name: "agent", build: program("agent", nil)},
	{Name: "gateway", build: program("gateway", nil)},
	{Name: "box", build: box},
	{Name: "test/sh-only", Test: true, build: shOnly},
	{Name: "test/no-shell", Test: true, build: noShell},
	{Name: "test/conda-like", Test: true, build: condaLike},
}

// Select returns the definitions of these names, or without names those which are
// for users, and with test the others too. What the checkout has no sources of is left out.
func (b Builder) Select(names []string, test bool) ([]Definition, error) {
	for _, name := range names {
		if !slices.ContainsFunc(Definitions, func(d Definition) bool { return d.Name == name }) {
			return nil, fmt.Errorf("there is no image %q", name)
		}
	}
	var selected []Definition
	for _, d := range Definitions {
		if len(names) > 0 && !slices.Contains(names, d.Name) || len(names) == 0 && d.Test && !test {
			continue
		}
		if b.has(d.Name) {
			selected = append(selected, d)
		}
	}
	return selected, nil
}

// Reference is the full name of an image in a registry.
func (b Builder) Reference(registry, name string) string {
	return path.Join(registry, name) + ":" + b.Version
}

// Build makes one image for one architecture.
func (b Builder) Build(ctx context.Context, d Definition, architecture string) (Built, error) {
	built, err := d.build(ctx, b, architecture)
	if err != nil {
		return Built{}, fmt.Errorf("build the image %s for %s: %w", d.Name, architecture, err)
	}
	return built, nil
}
