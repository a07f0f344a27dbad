package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"devserver.io/devserver/local/internal/binary"
	"devserver.io/devserver/local/internal/process"
)

// programs are the checkout's programs that have an image.
var programs = []string{"operator", "agent", "gateway"}

// certificates is the path of the bundle of public authorities, in Debian and where Go reads it.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// withAuthorities lets a program verify certificates of public servers.
func withAuthorities() []File {
	return []File{{Path: certificates, Mode: 0o644, Source: certificates}}
}

// has reports whether the checkout has the sources of an image. test/agent has the program
// of agent.
func (b Builder) has(name string) bool {
	name = strings.TrimPrefix(name, "test/")
	if !slices.Contains(programs, name) {
		return true
	}
	_, err := os.Stat(filepath.Join(b.Root, "cmd", name))
	return err == nil
}

// program returns the recipe of an image with one of the checkout's programs.
func program(name string, more func() []File) func(context.Context, Builder, string) (Built, error) {
	return func(ctx context.Context, b Builder, architecture string) (Built, error) {
		dir, err := b.compile(ctx, architecture)
		if err != nil {
			return Built{}, err
		}
		var files []File
		if more != nil {
			files = more()
		}
		return b.programImage(architecture, dir, name, files...)
	}
}

// nextAgent builds an image with another version of the agent. Tests update servers to
// it.
func nextAgent(ctx context.Context, b Builder, architecture string) (Built, error) {
	b.Version += "-next"
	dir, err := b.goBuild(ctx, b.Root, "next-agent", architecture, "./cmd/agent")
	if err != nil {
		return Built{}, err
	}
	return b.programImage(architecture, dir, "agent")
}

// programImage builds the image of the program with the given name in the folder dir.
func (b Builder) programImage(architecture, dir, name string, more ...File) (Built, error) {
	target := "/devserver-" + name
	files := append([]File{{Path: target, Mode: 0o755, Source: filepath.Join(dir, name)}}, more...)
	// If an image must not run as root, the kubelet refuses a user's name in place of a number.
	return b.small(architecture, v1.Config{Entrypoint: []string{target}, User: "65532:65532"}, files...)
}

// compile compiles all programs of the checkout at once, because they share most
// packages. The compiler itself detects that nothing changed.
func (b Builder) compile(ctx context.Context, architecture string) (string, error) {
	if dir, ok := b.compiled[architecture]; ok {
		return dir, nil
	}
	var packages []string
	for _, name := range programs {
		if b.has(name) {
			packages = append(packages, "./cmd/"+name)
		}
	}
	dir, err := b.goBuild(ctx, b.Root, "programs", architecture, packages...)
	if err == nil {
		b.compiled[architecture] = dir
	}
	return dir, err
}

// goBuild compiles static programs into a folder of the cache.
func (b Builder) goBuild(ctx context.Context, module, what, architecture string, packages ...string) (string, error) {
	dir := filepath.Join(b.Cache, "images", what+"-"+architecture+"-"+digest(b.Root))
	log := filepath.Join(b.Cache, "log", what+"-"+architecture+".log")
	for _, d := range []string{dir, filepath.Dir(log)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", fmt.Errorf("create a folder in the cache: %w", err)
		}
	}
	release, err := binary.Lock(ctx, b.Reporter, dir+".lock")
	if err != nil {
		return "", err
	}
	defer release()
	step := b.Reporter.Start("compile " + what + " for " + architecture)
	err = binary.GoBuild(ctx, step, binary.Build{
		Dir: module, Packages: packages, Out: dir + "/", Log: log,
		Flags: []string{"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w -X devserver.io/devserver/internal/version.Version=" + b.Version},
		Env:   []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + architecture},
	})
	step.End(err)
	if err != nil {
		return "", fmt.Errorf("compile: %w; the log is %s and ends with:\n%s", err, log, process.Tail(log, 15))
	}
	return dir, nil
}

// small is an image whose files are read again each time it is built.
func (b Builder) small(architecture string, config v1.Config, files ...File) (Built, error) {
	image, err := b.scratch(architecture, config, files...)
	if err != nil {
		return Built{}, err
	}
	id, err := image.ConfigName()
	if err != nil {
		return Built{}, err
	}
	return Built{Key: id.String(), Image: func() (v1.Image, error) { return image, nil }}, nil
}
