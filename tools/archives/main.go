// Command archives builds devctl for laptops: an archive for each of linux, darwin
// and windows on amd64 and arm64, their SHA-256 checksums, and a manifest for krew,
// the plugin manager of kubectl. The same sources give the same bytes.
//
//	go -C tools run ./archives -base-url=https://downloads.example.com/devctl ..
//
// An archive has the program and the license. Under the name kubectl-devserver, as
// a copy or a symbolic link on the PATH, devctl is the plugin "kubectl devserver";
// krew makes that link itself.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// placeholder is the -base-url for a manifest whose address is not known yet. Replace
// it before you publish the manifest.
const placeholder = "https://downloads.example.com/devctl"

// platform is a system and architecture that devctl is built for.
type platform struct{ os, arch string }

var platforms = []platform{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"windows", "amd64"},
	{"windows", "arm64"},
}

// program is the name of devctl's file.
func (p platform) program() string {
	if p.os == "windows" {
		return "devctl.exe"
	}
	return "devctl"
}

// archive is the name of the platform's archive: a zip for Windows, else a tar.gz.
func (p platform) archive(version string) string {
	extension := ".tar.gz"
	if p.os == "windows" {
		extension = ".zip"
	}
	return fmt.Sprintf("devctl_%s_%s_%s%s", version, p.os, p.arch, extension)
}

func main() {
	baseURL := flag.String("base-url", "", "`address` of the folder that the archives are downloaded from (default "+placeholder+", to be replaced)")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: archives [-base-url=ADDRESS] REPOSITORY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0), cmp.Or(*baseURL, placeholder)); err != nil {
		fmt.Fprintf(os.Stderr, "archives: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, repository, baseURL string) error {
	text, err := os.ReadFile(filepath.Join(repository, "VERSION"))
	if err != nil {
		return err
	}
	version := strings.TrimSpace(string(text))
	license, err := os.ReadFile(filepath.Join(repository, "LICENSE"))
	if err != nil {
		return err
	}
	// Archives of an earlier version are not for the same checksums.
	dist := filepath.Join(repository, "dist", "devctl")
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	var built []download
	for _, p := range platforms {
		name := p.archive(version)
		fmt.Fprintln(os.Stderr, "Building", filepath.Join("dist", "devctl", name))
		program, err := build(ctx, repository, version, p)
		if err != nil {
			return fmt.Errorf("build devctl for %s/%s: %w", p.os, p.arch, err)
		}
		data, err := pack(name, []file{{p.program(), 0o755, program}, {"LICENSE", 0o644, license}})
		if err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dist, name), data, 0o644); err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		built = append(built, download{platform: p, uri: strings.TrimSuffix(baseURL, "/") + "/" + name, sha256: hex.EncodeToString(sum[:])})
		fmt.Fprintf(&sums, "%x  %s\n", sum, name)
	}
	manifest, err := krewManifest(version, built)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dist, "SHA256SUMS"), []byte(sums.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dist, "devserver.krew.yaml"), manifest, 0o644) //nolint:gosec // dist is the Makefile's
}

// build compiles devctl, without paths or times of this machine. The flags are those
// of the Makefile, so that packages compiled for make build are reused.
func build(ctx context.Context, repository, version string, p platform) ([]byte, error) {
	dir, err := os.MkdirTemp("", "devctl-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, p.program())
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false",
		"-ldflags=-s -w -X devserver.io/devserver/internal/version.Version="+version, "-o", out, "./cmd/devctl")
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}
