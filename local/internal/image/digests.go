package image

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Digests are the images of one build in a registry, by their digests. Their file has the
// chart's values: a cluster that is installed with it runs exactly these images, whatever
// the registry's tags refer to later.
type Digests struct {
	Registry, Version string
	digests           map[string]string
}

// Add adds an image that was pushed. The chart has no values for the images of tests.
func (g *Digests) Add(d Definition, digest string) {
	if d.Test {
		return
	}
	if g.digests == nil {
		g.digests = map[string]string{}
	}
	g.digests[d.Name] = digest
}

// Write writes the file. Images that are missing here get the registry's tag.
func (g Digests) Write(path string) error {
	var text strings.Builder
	fmt.Fprintf(&text, `# Written by "make images". The images of version %s by digest, as values of the chart:
# helm install … --values digests.yaml
images:
  registry: %q
`, g.Version, g.Registry)
	for _, name := range slices.Sorted(maps.Keys(g.digests)) {
		fmt.Fprintf(&text, "  %s: %q\n", name, strings.TrimSuffix(g.Registry, "/")+"/"+name+"@"+g.digests[name])
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("create the folder for %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write the images' digests: %w", err)
	}
	return nil
}

// RemoveDigests removes the file of an earlier build, if it exists, so that nobody
// installs that build after a push that failed.
func RemoveDigests(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the digests of earlier images: %w", err)
	}
	return nil
}
