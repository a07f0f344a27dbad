package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// serverPackages are the packages in the default image of servers.
var serverPackages = []string{
	"bash", "bash-completion", "ca-certificates", "coreutils", "curl", "git", "less", "locales", "ncurses-term",
	"openssh-client", "procps", "python3", "python3-venv", "rsync", "tmux", "vim",
}

var serverEnvironment = []string{
	"LANG=C.UTF-8",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

func serverConfig() v1.Config {
	return v1.Config{Cmd: []string{"/bin/bash"}, Env: append([]string(nil), serverEnvironment...), WorkingDir: "/"}
}

// server builds the default image of a DevServer.
func server(ctx context.Context, b Builder, architecture string) (Built, error) {
	root, err := b.rootfs(ctx, "server", architecture, "minbase", serverPackages)
	if err != nil {
		return Built{}, err
	}
	return Built{Key: filepath.Base(root) + b.suffix(), Image: func() (v1.Image, error) {
		l, err := b.fileLayer(root)
		if err != nil {
			return nil, err
		}
		return assemble(architecture, serverConfig(), l)
	}}, nil
}

// condaLike imitates images for machine learning: PATH and
// the variables of CUDA come from the image, and uid 1000 has another name.
func condaLike(ctx context.Context, b Builder, architecture string) (Built, error) {
	root, err := b.rootfs(ctx, "server", architecture, "minbase", serverPackages)
	if err != nil {
		return Built{}, err
	}
	return Built{Key: filepath.Base(root) + b.suffix() + "-conda-2", Image: func() (v1.Image, error) {
		passwd, err := readFromTar(root, "etc/passwd")
		if err != nil {
			return nil, err
		}
		group, err := readFromTar(root, "etc/group")
		if err != nil {
			return nil, err
		}
		base, err := b.fileLayer(root)
		if err != nil {
			return nil, err
		}
		top, err := b.layer([]File{
			{Path: "/etc/passwd", Mode: 0o644, Content: passwd + "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n"},
			{Path: "/etc/group", Mode: 0o644, Content: group + "ubuntu:x:1000:\n"},
			{Path: "/opt/conda/bin/conda", Mode: 0o755, Content: "#!/bin/sh\necho conda 0.0.0\n"},
			{Path: "/opt/conda/bin/python", Mode: 0o755, Content: "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n"},
		})
		if err != nil {
			return nil, err
		}
		config := serverConfig()
		config.Env = []string{
			"CONDA_PREFIX=/opt/conda", "CUDA_HOME=/usr/local/cuda", "LANG=C.UTF-8", "LD_LIBRARY_PATH=/usr/local/cuda/lib64",
			"PATH=/opt/conda/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		}
		return assemble(architecture, config, base, top)
	}}, nil
}

// applets are the names that busybox is called by in sh-only.
var applets = strings.Fields("ash awk base64 basename cat chmod chown cp cut date dd df dirname du echo env expr false find grep gunzip gzip head hostname id " +
	"kill ln ls md5sum mkdir mktemp mv nc nslookup od pgrep printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat sync tail tar tee test " +
	"timeout touch tr true tty uname uniq vi wc wget which whoami xargs yes")

// shOnly has a shell, but nothing else that a login uses: no bash, no /etc/profile.d,
// no passwd entry for the user that servers run as.
func shOnly(ctx context.Context, b Builder, architecture string) (Built, error) {
	root, err := b.rootfs(ctx, "busybox", architecture, "extract", []string{"busybox-static"})
	if err != nil {
		return Built{}, err
	}
	busybox, err := readFromTar(root, "bin/busybox")
	if err != nil {
		return Built{}, err
	}
	files := []File{
		{Path: "/bin/busybox", Mode: 0o755, Content: busybox},
		{Path: "/etc/passwd", Mode: 0o644, Content: "root:x:0:0:root:/root:/bin/sh\n"},
		{Path: "/etc/group", Mode: 0o644, Content: "root:x:0:\n"},
		{Path: "/tmp/", Mode: 0o1777},
		{Path: "/root/", Mode: 0o700},
	}
	for _, applet := range applets {
		files = append(files, File{Path: "/bin/" + applet, Mode: 0o777, Link: "busybox"})
	}
	return b.small(architecture, v1.Config{Cmd: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}}, files...)
}

// noShell has one static program and no shell.
func noShell(ctx context.Context, b Builder, architecture string) (Built, error) {
	dir, err := b.goBuild(ctx, filepath.Join(b.Root, "local"), "noshell", architecture, "./cmd/noshell")
	if err != nil {
		return Built{}, err
	}
	return b.small(architecture, v1.Config{Entrypoint: []string{"/noshell"}, Env: []string{"FROM_IMAGE=yes"}},
		File{Path: "/noshell", Mode: 0o755, Source: filepath.Join(dir, "noshell")})
}

// readFromTar returns one file of an archive. The names in it may start with "./".
func readFromTar(archive, name string) (string, error) {
	file, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer file.Close()
	r := tar.NewReader(file)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("find %s in %s: %w", name, archive, os.ErrNotExist)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", archive, err)
		}
		if strings.TrimPrefix(header.Name, "./") == name && header.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(r)
			if err != nil {
				return "", fmt.Errorf("read %s from %s: %w", name, archive, err)
			}
			return string(content), nil
		}
	}
}
