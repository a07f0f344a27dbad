package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"devserver.io/devserver/local/internal/process"
)

// suite is the Debian release that images are made of.
const suite = "bookworm"

// rootfs builds a Debian root file system as an archive in the cache, once for each
// list of packages.
func (b Builder) rootfs(ctx context.Context, what, architecture, variant string, packages []string) (string, error) {
	key := digest(strings.Join(append([]string{suite, variant, architecture}, packages...), " "))
	path := filepath.Join(b.Cache, "images", what+"-"+architecture+"-"+key+".tar")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	log := filepath.Join(b.Cache, "log", "rootfs-"+what+"-"+architecture+".log")
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(log)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("create a folder in the cache: %w", err)
		}
	}
	// The suffix must be .tar: mmdebstrap derives the format from it.
	unfinished := strings.TrimSuffix(path, ".tar") + "." + strconv.Itoa(os.Getpid()) + ".new.tar"
	defer os.Remove(unfinished)
	step := b.Reporter.Start("build a Debian root file system (" + what + " " + architecture + ")")
	err := debootstrap(ctx, step.Update, architecture, variant, packages, unfinished, log)
	if err == nil {
		err = os.Rename(unfinished, path)
	}
	step.End(err)
	if err != nil {
		return "", fmt.Errorf("run mmdebstrap: %w; its log is %s and ends with:\n%s", err, log, process.Tail(log, 10))
	}
	return path, nil
}

func debootstrap(ctx context.Context, update func(string, ...any), architecture, variant string, packages []string, out, logPath string) error {
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"--mode=root", "--variant=" + variant, "--architectures=" + architecture, "--include=" + strings.Join(packages, ","),
		"--aptopt=Acquire::Languages \"none\"",
		// Manuals double the size of the image. You can install them in a server.
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-include=/usr/share/locale/locale.alias",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		suite, out,
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	// Every file in the archive gets this time, so the same packages give the same image.
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(epoch.Unix()+1, 10))
	// mmdebstrap removes its unfinished file system when it is interrupted.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Stdout = log
	cmd.Stderr = &stages{log: log, update: update}
	// Packages that are only unpacked run no scripts.
	if variant != "extract" {
		if err := enterForeign(cmd, architecture); err != nil {
			return err
		}
	}
	return cmd.Run()
}

// stages shows mmdebstrap's stages, which it prints with the prefix "I: ".
type stages struct {
	log    *os.File
	update func(string, ...any)
}

func (s *stages) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "I: "); ok {
			s.update("%s", text)
		}
	}
	return s.log.Write(p)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:12]
}
