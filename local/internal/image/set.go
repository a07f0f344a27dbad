package image

import (
	"context"
	"fmt"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devserver.io/devserver/local/internal/progress"
)

// Registry is the first part of the images' names. Nothing is pulled from it: a
// cluster finds images under these names that were loaded.
const Registry = "devserver.io"

// Builder builds the images of one checkout.
type Builder struct {
	// Root is the checkout, Cache the folder for results, Version the images' tag.
	Root, Cache, Version string
	Reporter             *progress.Reporter
	// Compress is for images that are pushed or archived. On the same machine it only takes time.
	Compress bool

	// compiled is the folder of the checkout's programs, by architecture.
	compiled map[string]string
}

// New returns a builder for a checkout.
func New(root, cache, version string, r *progress.Reporter) Builder {
	return Builder{Root: root, Cache: cache, Version: version, Reporter: r, compiled: map[string]string{}}
}

// Definition is one image.
type Definition struct {
	// Name is the part of the reference after the registry.
	Name string
	// Test is true if only tests use the image.
	Test  bool
	build func(context.Context, Builder, string) (Built, error)
}

// Built is an image for one architecture.
type Built struct {
	// Key changes when the content does. It is known before the image is built.
	Key   string
	Image func() (v1.Image, error)
}

// Definitions are all images.
var Definitions = []Definition{
	{Name: "operator", build: program("operator", withAuthorities)},
	{Name: "agent", build: program("agent", nil)},
	{Name: "gateway", build: program("gateway", nil)},
	{Name: "server", build: server},
	{Name: "test/agent", Test: true, build: nextAgent},
	{Name: "test/sh-only", Test: true, build: shOnly},
	{Name: "test/no-shell", Test: true, build: noShell},
	{Name: "test/conda-like", Test: true, build: condaLike},
}

// Select returns the definitions with these names. Without names it returns those for
// users, and with test those for tests too. It omits images whose sources the checkout
// does not have.
func (b Builder) Select(names []string, test bool) ([]Definition, error) {
	for _, name := range names {
		if !slices.ContainsFunc(Definitions, func(d Definition) bool { return d.Name == name }) {
			return nil, fmt.Errorf("unknown image %q", name)
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
