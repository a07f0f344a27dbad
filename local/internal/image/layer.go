package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

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

// bytesLayer makes a layer from an archive in memory.
func (b Builder) bytesLayer(archive []byte) (v1.Layer, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
	if b.Compress {
		return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	}
	sum := sha256.Sum256(archive)
	return plain{open: open, size: int64(len(archive)), hash: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}}, nil
}

// fileLayer makes a layer from an archive on disk.
func (b Builder) fileLayer(archive string) (v1.Layer, error) {
	open := func() (io.ReadCloser, error) { return os.Open(archive) }
	if b.Compress {
		l, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, fmt.Errorf("make a layer of %s: %w", archive, err)
		}
		return l, nil
	}
	info, err := os.Stat(archive)
	if err != nil {
		return nil, fmt.Errorf("make a layer of %s: %w", archive, err)
	}
	sum, err := rememberedSum(archive)
	if err != nil {
		return nil, err
	}
	return plain{open: open, size: info.Size(), hash: v1.Hash{Algorithm: "sha256", Hex: sum}}, nil
}

// rememberedSum is the SHA-256 of a file in the cache. The file must never change.
func rememberedSum(path string) (string, error) {
	if data, err := os.ReadFile(path + ".sha256"); err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return sum, os.WriteFile(path+".sha256", []byte(sum+"\n"), 0o644)
}
