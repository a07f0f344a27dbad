package prepare

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var skeleton = tree{
	"etc/skel/.bashrc":         "# image's\n",
	"etc/skel/.ssh/config":     "0600 secret",
	"etc/skel/bin/hello":       "x #!/bin/sh\n",
	"etc/skel/.link":           "-> /etc/motd",
	"etc/skel/.relative":       "-> .bashrc",
	"etc/skel/.config/empty/":  "",
	"etc/skel/.config/fish/rc": "fish",
}

func TestNewHomeIsSeeded(t *testing.T) {
	f := newFixture(t, skeleton)
	f.run()
	if mode := f.mode(f.home("")); mode != fs.ModeDir|0o700 {
		t.Errorf("the home has mode %v", mode)
	}
	for name, want := range map[string]fs.FileMode{
		".bashrc":       0o644,
		".ssh/config":   0o600,
		"bin/hello":     0o755,
		".config/empty": fs.ModeDir | 0o755,
	} {
		if mode := f.mode(f.home(name)); mode != want {
			t.Errorf("%s has mode %v, want %v", name, mode, want)
		}
	}
	for name, want := range map[string]string{".link": "/etc/motd", ".relative": ".bashrc"} {
		if target, err := os.Readlink(f.home(name)); err != nil || target != want {
			t.Errorf("%s is %q, %v: want a link to %s", name, target, err, want)
		}
	}
	if f.read(f.home(".config/fish/rc")) != "fish" {
		t.Error("a nested file was not copied")
	}
	entries, err := os.ReadDir(f.cfg.VolumeDir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the volume holds %v, want the home and its mark", entries)
	}
}

func TestSkeletonBehindALink(t *testing.T) {
	f := newFixture(t, tree{"usr/share/skel/.profile": "found", "etc/skel": "-> /usr/share/skel"})
	f.run()
	if f.read(f.home(".profile")) != "found" {
		t.Error("the skeleton behind an absolute link was not found")
	}
}

func TestHomeWithoutSkeleton(t *testing.T) {
	for name, image := range map[string]tree{"missing": {}, "a file": {"etc/skel": ""}, "dangling": {"etc/skel": "-> /nowhere"}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, image)
			f.run()
			if f.mode(f.home("")) != fs.ModeDir|0o700 {
				t.Error("no home")
			}
		})
	}
}

func TestUsedHomeIsNeverTouched(t *testing.T) {
	tests := map[string]func(t *testing.T, f *fixture){
		"user deleted a dotfile": func(t *testing.T, f *fixture) {
			f.run()
			mustDo(t, os.Remove(f.home(".bashrc")))
		},
		"user edited a dotfile": func(t *testing.T, f *fixture) {
			f.run()
			mustDo(t, os.WriteFile(f.home(".bashrc"), []byte("mine"), 0o600))
		},
		"user emptied the home": func(t *testing.T, f *fixture) {
			f.run()
			mustDo(t, os.RemoveAll(f.home("")))
			mustDo(t, os.Mkdir(f.home(""), 0o700))
		},
		"home from a backup, without a mark": func(t *testing.T, f *fixture) {
			tree{"dev/work": "thesis"}.write(t, f.cfg.VolumeDir)
		},
		"user opened the home to others": func(t *testing.T, f *fixture) {
			f.run()
			mustDo(t, os.Chmod(f.home(""), 0o755))
		},
	}
	for name, use := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, skeleton)
			use(t, f)
			before := listing(t, f.home(""))
			f.run()
			f.run()
			if after := listing(t, f.home("")); after != before {
				t.Errorf("the home was\n%sand is now\n%s", before, after)
			}
		})
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listing is all of a folder: modes, names, contents and link targets.
func listing(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, _ := os.Readlink(path)
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(text)
		}
		all.WriteString(info.Mode().String() + " " + path + " " + content + "\n")
		return nil
	})
	mustDo(t, err)
	return all.String()
}

// TestEmptyUnseededHomeIsSeeded seeds an empty folder, such as a kubelet creates for a
// subPath.
func TestEmptyUnseededHomeIsSeeded(t *testing.T) {
	f := newFixture(t, skeleton)
	mustDo(t, os.Mkdir(f.home(""), 0o755))
	f.run()
	if f.read(f.home(".bashrc")) != "# image's\n" || f.mode(f.home("")) != fs.ModeDir|0o700 {
		t.Error("the empty home was not seeded")
	}
}

// Interrupts a seed after each of its steps, and runs the step again.
func TestInterruptedSeedIsRedone(t *testing.T) {
	whole := newFixture(t, skeleton)
	whole.run()
	want := strings.ReplaceAll(listing(t, whole.home("")), whole.home(""), "~")
	tests := map[string]func(t *testing.T, f *fixture){
		"folder made":    func(t *testing.T, f *fixture) { tree{seedPrefix + "dev/": ""}.write(t, f.cfg.VolumeDir) },
		"half a file":    func(t *testing.T, f *fixture) { tree{seedPrefix + "dev/.bashrc": "# im"}.write(t, f.cfg.VolumeDir) },
		"another skel":   func(t *testing.T, f *fixture) { tree{seedPrefix + "dev/.gone": "old image"}.write(t, f.cfg.VolumeDir) },
		"sealed folders": func(t *testing.T, f *fixture) { sealed(t, filepath.Join(f.cfg.VolumeDir, seedPrefix+"dev")) },
		"renamed, not marked": func(t *testing.T, f *fixture) {
			f.run()
			mustDo(t, os.Remove(filepath.Join(f.cfg.VolumeDir, seededMarker)))
		},
	}
	for name, interrupt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, skeleton)
			interrupt(t, f)
			f.run()
			if got := strings.ReplaceAll(listing(t, f.home("")), f.home(""), "~"); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if _, err := os.Lstat(filepath.Join(f.cfg.VolumeDir, seedPrefix+"dev")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the interrupted seed is still there: %v", err)
			}
		})
	}
}

// sealed makes folders that cannot be removed without changing their mode,
// unless one is root.
func sealed(t *testing.T, root string) {
	t.Helper()
	tree{"a/b/file": ""}.write(t, root)
	for _, dir := range []string{"a/b", "a", ""} {
		mustDo(t, os.Chmod(filepath.Join(root, dir), 0o500))
	}
}

// fsGroup makes the volume's root group-writable and set-group-id, which new
// folders inherit, and a restored volume may get it all over.
func TestSetGroupIDDoesNotReachTheHome(t *testing.T) {
	const fsGroupMode = 0o2770
	f := newFixture(t, skeleton)
	mustDo(t, unix.Chmod(f.cfg.VolumeDir, fsGroupMode))
	f.run()
	if mode := f.mode(f.home("")); mode != fs.ModeDir|0o700 {
		t.Errorf("the new home has mode %v", mode)
	}
	if mode := f.mode(f.home(".config")); mode&fs.ModeSetgid != 0 {
		t.Errorf("a folder in the new home has mode %v", mode)
	}
	mustDo(t, unix.Chmod(f.home(""), fsGroupMode))
	f.run()
	if mode := f.mode(f.home("")); mode != fs.ModeDir|0o700 {
		t.Errorf("the home has mode %v after fsGroup was applied to it", mode)
	}
}

func TestSpecialFilesAreLeftOut(t *testing.T) {
	f := newFixture(t, skeleton)
	mustDo(t, unix.Mkfifo(filepath.Join(f.cfg.ImageDir, "etc/skel/pipe"), 0o644))
	f.run()
	if _, err := os.Lstat(f.home("pipe")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a named pipe was copied")
	}
	if !strings.Contains(f.log.String(), "/etc/skel/pipe") {
		t.Errorf("the log does not name it: %s", f.log.String())
	}
}
