package image

import (
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// plain is a layer that is not compressed: for a node on the same machine,
// compression only takes time. (tarball's layers are always compressed.)
type plain struct {
	open func() (io.ReadCloser, error)
	size int64
	hash v1.Hash
}

var _ v1.Layer = plain{}

func (p plain) Digest() (v1.Hash, error)             { return p.hash, nil }
func (p plain) DiffID() (v1.Hash, error)             { return p.hash, nil }
func (p plain) Compressed() (io.ReadCloser, error)   { return p.open() }
func (p plain) Uncompressed() (io.ReadCloser, error) { return p.open() }
func (p plain) Size() (int64, error)                 { return p.size, nil }
func (p plain) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }

// tarLayer makes a layer from an archive.
func (b Builder) tarLayer(open func() (io.ReadCloser, error)) (v1.Layer, error) {
	if b.Compress {
		return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	}
	archive, err := open()
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	hash, size, err := v1.SHA256(archive)
	return plain{open: open, size: size, hash: hash}, err
}

// fileLayer makes a layer from an archive on disk.
func (b Builder) fileLayer(archive string) (v1.Layer, error) {
	l, err := b.tarLayer(func() (io.ReadCloser, error) { return os.Open(archive) })
	if err != nil {
		return nil, fmt.Errorf("make a layer of %s: %w", archive, err)
	}
	return l, nil
}
