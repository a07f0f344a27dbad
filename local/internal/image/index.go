package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index is one image for several architectures.
type Index struct{ index v1.ImageIndex }

// Index builds an image for each of the architectures.
func (b Builder) Index(ctx context.Context, d Definition, architectures []string) (Index, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range architectures {
		built, err := b.Build(ctx, d, architecture)
		if err != nil {
			return Index{}, err
		}
		image, err := built.Image()
		if err != nil {
			return Index{}, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return Index{index}, nil
}

// Push sends the index to a registry, with the credentials of docker login.
func (i Index) Push(ctx context.Context, ref string) (digest string, err error) {
	tag, err := name.NewTag(ref)
	if err != nil {
		return "", fmt.Errorf("read the name %q: %w", ref, err)
	}
	if err := remote.WriteIndex(tag, i.index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	hash, err := i.index.Digest()
	return hash.String(), err
}

// Archive writes the index as an OCI layout in a tar file, which `local load`,
// ctr, podman and skopeo read.
func (i Index) Archive(ref, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("create the folder for images: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".layout-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write an OCI layout: %w", err)
	}
	// containerd uses the first annotation as the image's name, other tools the second.
	annotations := map[string]string{"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
	if err := folder.AppendIndex(i.index, layout.WithAnnotations(annotations)); err != nil {
		return fmt.Errorf("write an OCI layout: %w", err)
	}
	if err := pack(dir, path+".new"); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

// pack writes a folder as an archive that depends only on the names and contents of its files.
func pack(dir, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		in, err := os.Open(file)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: relative, Mode: 0o644, Size: info.Size(), ModTime: epoch}); err != nil {
			return err
		}
		_, err = io.Copy(w, in)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}
