// Package image builds container images without Docker: from Go binaries and from
// Debian root file systems. The same input gives the same image, byte for byte.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// epoch is the time of every file in an image.
var epoch = time.Unix(0, 0).UTC()

// File is one entry of a layer.
type File struct {
	// Path is absolute.
	Path string
	Mode int64
	// Source is a file of the host with the content. Without it, Content is the content,
	// or Link makes a symbolic link. A path that ends with a slash is a folder.
	Source  string
	Content string
	Link    string
}

// layer makes a layer of files and the folders above them.
func (b Builder) layer(files []File) (v1.Layer, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	made := map[string]bool{}
	for _, f := range files {
		if err := f.parents(w, made); err != nil {
			return nil, err
		}
		if err := f.write(w); err != nil {
			return nil, fmt.Errorf("put %s into a layer: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.tarLayer(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil })
}

// suffix distinguishes images that differ only in their compression.
func (b Builder) suffix() string {
	if b.Compress {
		return "-gzip"
	}
	return ""
}

func (f File) parents(w *tar.Writer, made map[string]bool) error {
	elems := strings.Split(strings.Trim(f.Path, "/"), "/")
	for i := 1; i < len(elems); i++ {
		dir := strings.Join(elems[:i], "/") + "/"
		if made[dir] {
			continue
		}
		made[dir] = true
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: epoch}); err != nil {
			return err
		}
	}
	return nil
}

func (f File) write(w *tar.Writer) error {
	name := strings.TrimPrefix(f.Path, "/")
	header := &tar.Header{Name: name, Mode: f.Mode, ModTime: epoch, Format: tar.FormatPAX}
	content := []byte(f.Content)
	switch {
	case strings.HasSuffix(name, "/"):
		header.Typeflag = tar.TypeDir
	case f.Link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, f.Link
	case f.Source != "":
		data, err := os.ReadFile(f.Source)
		if err != nil {
			return err
		}
		content = data
		fallthrough
	default:
		header.Typeflag, header.Size = tar.TypeReg, int64(len(content))
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := w.Write(content)
	return err
}

// assemble makes an image of layers. containerd ignores an image without os and
// architecture in its configuration.
func assemble(architecture string, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, fmt.Errorf("stack layers: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", architecture
	file.Created = v1.Time{Time: epoch}
	file.Config = config
	slices.Sort(file.Config.Env)
	for i := range file.History {
		file.History[i].Created = v1.Time{Time: epoch}
	}
	return mutate.ConfigFile(image, file)
}

// scratch is an image with only these files.
func (b Builder) scratch(architecture string, config v1.Config, files ...File) (v1.Image, error) {
	l, err := b.layer(files)
	if err != nil {
		return nil, err
	}
	return assemble(architecture, config, l)
}

// Pause is the image of the container that keeps a pod's namespaces open.
func Pause(architecture, program string) (Built, error) {
	return Builder{}.small(architecture, v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"}, File{Path: "/pause", Mode: 0o755, Source: program})
}
