package dotfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFollowsLinksAndKeepsTheMode(t *testing.T) {
	dir := t.TempDir()
	file, link, dangling := filepath.Join(dir, "dotfiles", "config"), filepath.Join(dir, "config"), filepath.Join(dir, "new")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	for path, to := range map[string]string{link: filepath.Join("dotfiles", "config"), dangling: filepath.Join("dotfiles", "later")} {
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, "new"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is not a link any more (%v)", path, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "new" {
			t.Errorf("%s holds %q (%v)", path, text, err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v (%v), want 0640", info.Mode(), err)
	}
}
