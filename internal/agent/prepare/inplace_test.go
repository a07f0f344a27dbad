package prepare

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestInPlace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("requires root, as which the agent of such a server runs")
	}
	dir := t.TempDir()
	tree{
		"image/passwd": "root:x:0:0::/root:/bin/sh\n", "passwd": "-> image/passwd",
		"run/": "",
	}.write(t, dir)
	mustDo(t, os.Chmod(filepath.Join(dir, "image/passwd"), 0o640))
	mustDo(t, os.Chown(filepath.Join(dir, "image/passwd"), 7, 8))
	mustDo(t, os.Chown(filepath.Join(dir, "run"), 1000, 1000))
	place := Place{Passwd: filepath.Join(dir, "passwd"), Group: filepath.Join(dir, "etc", "group"), UID: 1000, GID: 1000, Run: filepath.Join(dir, "run")}
	for range 2 {
		mustDo(t, InPlace(place))
	}
	for name, want := range map[string]string{
		"passwd":    "root:x:0:0::/root:/bin/sh\ndev:*:1000:1000::/home/dev:",
		"etc/group": "root:x:0:\ndev:x:1000:\n",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s is %q, %v: want %q", name, text, err, want)
		}
	}
	for name, want := range map[string]struct {
		mode fs.FileMode
		uid  uint32
	}{"passwd": {fs.ModeSymlink | 0o777, 0}, "image/passwd": {0o640, 7}, "etc/group": {0o644, 0}, "run": {fs.ModeDir | 0o755, 0}} {
		info, err := os.Lstat(filepath.Join(dir, name))
		mustDo(t, err)
		if info.Mode() != want.mode || ownerOf(info) != want.uid {
			t.Errorf("%s has mode %v and owner %d, want %+v", name, info.Mode(), ownerOf(info), want)
		}
	}
}

func TestInPlaceRefuses(t *testing.T) {
	dir := t.TempDir()
	tree{"passwd/": ""}.write(t, dir)
	err := InPlace(Place{Passwd: filepath.Join(dir, "passwd"), Group: filepath.Join(dir, "group"), Run: dir})
	if err == nil || !strings.Contains(err.Error(), "is not a text file") {
		t.Errorf("passwd is a folder: got %v", err)
	}
	err = InPlace(Place{Passwd: "/proc/passwd", Group: filepath.Join(dir, "group"), Run: dir})
	if err == nil || !strings.Contains(err.Error(), "cannot add the user dev to /proc/passwd") {
		t.Errorf("the folder is not writable: got %v", err)
	}
}

func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
