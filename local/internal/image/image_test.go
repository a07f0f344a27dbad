package image

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"sigs.k8s.io/yaml"
)

var files = []File{
	{Path: "/bin/tool", Mode: 0o755, Content: "#!"},
	{Path: "/bin/link", Mode: 0o777, Link: "tool"},
	{Path: "/tmp/", Mode: 0o1777},
}

// example is a definition that does not depend on the machine.
func example(contents string) Definition {
	return Definition{Name: "example", build: func(_ context.Context, b Builder, architecture string) (Built, error) {
		return b.small(architecture, v1.Config{Entrypoint: []string{"/bin/tool"}, User: "65532:65532"},
			append(files, File{Path: "/etc/contents", Mode: 0o644, Content: contents + architecture})...)
	}}
}

func build(t *testing.T, b Builder, contents string) (v1.Image, string) {
	t.Helper()
	built, err := b.Build(t.Context(), example(contents), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	image, err := built.Image()
	if err != nil {
		t.Fatal(err)
	}
	return image, built.Key
}

func TestBuildIsReproducible(t *testing.T) {
	for _, b := range []Builder{{}, {Compress: true}} {
		first, key := build(t, b, "a")
		second, again := build(t, b, "a")
		_, other := build(t, b, "b")
		if key != again || key == other {
			t.Errorf("keys %s, %s for the same and %s for other content", key, again, other)
		}
		d1, err1 := first.Digest()
		d2, err2 := second.Digest()
		if err1 != nil || err2 != nil || d1 != d2 {
			t.Errorf("digests %s and %s (%v, %v)", d1, d2, err1, err2)
		}
	}
}

func TestLayersAndConfig(t *testing.T) {
	for _, b := range []Builder{{}, {Compress: true}} {
		image, _ := build(t, b, "a")
		layers, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		digest, err1 := layers[0].Digest()
		content, err2 := layers[0].DiffID()
		if err1 != nil || err2 != nil || (digest == content) == b.Compress {
			t.Errorf("compressed %t: the layer is %s and its content %s (%v, %v)", b.Compress, digest, content, err1, err2)
		}
		if got := sum(t, layers[0].Compressed); got != digest {
			t.Errorf("compressed %t: the digest is %s, and the layer reports %s", b.Compress, got, digest)
		}
		if got := sum(t, layers[0].Uncompressed); got != content {
			t.Errorf("compressed %t: the content's digest is %s, and the layer reports %s", b.Compress, got, content)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != "amd64" || config.Config.User != "65532:65532" {
			t.Errorf("configuration is %s/%s, user %s", config.OS, config.Architecture, config.Config.User)
		}
	}
}

func sum(t *testing.T, open func() (io.ReadCloser, error)) v1.Hash {
	t.Helper()
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hash, _, err := v1.SHA256(r)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestLayerFiles(t *testing.T) {
	image, _ := build(t, Builder{}, "a")
	r := tar.NewReader(mutate.Extract(image))
	found := map[string]*tar.Header{}
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(header.Name, "/")] = header
	}
	if h := found["bin/tool"]; h == nil || h.Mode != 0o755 || h.Typeflag != tar.TypeReg {
		t.Errorf("bin/tool is %+v", h)
	}
	if h := found["bin/link"]; h == nil || h.Linkname != "tool" {
		t.Errorf("bin/link is %+v", h)
	}
	if h := found["tmp"]; h == nil || h.Mode != 0o1777 || h.Typeflag != tar.TypeDir {
		t.Errorf("tmp is %+v", h)
	}
	if h := found["bin"]; h == nil || h.Typeflag != tar.TypeDir {
		t.Errorf("the folder above a file is %+v", h)
	}
}

func TestPushForAllPlatforms(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	b := Builder{Compress: true, Version: "1.2.3"}
	ref := b.Reference(strings.TrimPrefix(server.URL, "http://")+"/team", "example")
	index, err := b.Index(t.Context(), example("a"), []string{"amd64", "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := index.Push(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		tag, err := name.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		image, err := remote.Image(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", architecture, err)
		}
		config, err := image.ConfigFile()
		if err != nil || config.Architecture != architecture {
			t.Errorf("pulling for %s gives %s (%v)", architecture, config.Architecture, err)
		}
		pulled, err := remote.Head(tag)
		if err != nil || pulled.Digest.String() != digest {
			t.Errorf("the registry has %v (%v), pushed was %s", pulled, err, digest)
		}
	}
}

// TestDigests: the file has the chart's values, and the registry has the images under the
// names in it.
func TestDigests(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://") + "/team"
	b := Builder{Version: "1.2.3"}
	digests := Digests{Registry: host, Version: b.Version}
	for _, d := range []Definition{{Name: "server"}, {Name: "operator"}, {Name: "test/sh-only", Test: true}} {
		index, err := b.Index(t.Context(), Definition{Name: d.Name, build: example(d.Name).build}, []string{"amd64"})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := index.Push(t.Context(), b.Reference(host, d.Name))
		if err != nil {
			t.Fatal(err)
		}
		digests.Add(d, digest)
	}
	path := filepath.Join(t.TempDir(), "images", "digests.yaml")
	if err := digests.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var values struct{ Images map[string]string }
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if got := values.Images["registry"]; got != host || len(values.Images) != 3 {
		t.Errorf("the values are %v", values.Images)
	}
	for _, image := range []string{"operator", "server"} {
		ref, err := name.NewDigest(values.Images[image])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remote.Head(ref); err != nil || ref.Context().RepositoryStr() != "team/"+image {
			t.Errorf("%s: the registry does not have %s: %v", image, ref, err)
		}
	}

	// A push that fails later leaves no file of an earlier build.
	for range 2 {
		if err := RemoveDigests(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file still exists: %v", err)
	}
}

func TestArchiveIsReproducible(t *testing.T) {
	var contents [2]string
	for i := range contents {
		index, err := Builder{Compress: true}.Index(t.Context(), example("a"), []string{"amd64", "arm64"})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "images", "example.tar")
		if err := index.Archive("devserver.io/example:1", path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		contents[i] = string(data)
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("beside the archive there is %v (%v)", left, err)
		}
		listing, err := readFromTar(path, "index.json")
		if err != nil || !strings.Contains(listing, `"io.containerd.image.name": "devserver.io/example:1"`) {
			t.Errorf("the index does not name the image: %s (%v)", listing, err)
		}
	}
	if contents[0] != contents[1] {
		t.Error("two archives of the same image differ")
	}
}

func TestSelectOmitsImagesWithoutSources(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "cmd", "operator"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := Builder{Root: root}
	names := func(list []Definition, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range list {
			out = append(out, d.Name)
		}
		return strings.Join(out, " ")
	}
	if got := names(b.Select(nil, false)); got != "operator server" {
		t.Errorf("got %q", got)
	}
	if got := names(b.Select(nil, true)); got != "operator server test/sh-only test/no-shell test/conda-like" {
		t.Errorf("with tests' images: %q", got)
	}
	if got := names(b.Select([]string{"test/sh-only"}, false)); got != "test/sh-only" {
		t.Errorf("by name: %q", got)
	}
	if _, err := b.Select([]string{"nothing"}, false); err == nil {
		t.Error("an unknown image is no error")
	}
}

func TestRegistration(t *testing.T) {
	got, err := registration("# by the package\n:qemu-aarch64:M::\\x7fELF:\\xff:/usr/libexec/q:OPF\n")
	if err != nil || got != `:qemu-aarch64:M::\x7fELF:\xff:/usr/libexec/q:OPF` {
		t.Errorf("got %q (%v)", got, err)
	}
	if _, err := registration("# nothing\n"); err == nil {
		t.Error("a file without a registration is no error")
	}
}
