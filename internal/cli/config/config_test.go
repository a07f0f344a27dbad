package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// place makes the file with a text, and returns its path.
func place(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("HOME", "/home/ann")
	path := filepath.Join(dir, "devserver", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	all := Config{
		Flavor: "gpu-small", Image: "registry.example.com/image:1", HomeSize: "100Gi", Key: "/home/ann/.ssh/id_ed25519.pub",
		GitHub: "octocat", GitHubURL: "https://github.example.com", Editor: "cursor",
	}
	cases := map[string]struct {
		text string
		want Config
		err  string // contained in the error
	}{
		"Empty":    {},
		"Comments": {text: "# mine\n\n"},
		"All": {
			text: "# mine\nflavor: gpu-small\nimage: registry.example.com/image:1\nhomeSize: 100Gi\nkey: ~/.ssh/id_ed25519.pub\ngithub: octocat\ngithubURL: https://github.example.com\neditor: cursor\n",
			want: all,
		},
		"NothingBehindTheKey": {text: "flavor:\n"},
		"NumbersAreText":      {text: "flavor: 123\n", want: Config{Flavor: "123"}},
		"Unknown":             {text: "flavor: a\nflavour: b\n", err: `line 2: "flavour" is not a setting: choose from flavor, image, homeSize, key, github, githubURL and editor`},
		"Twice":               {text: "flavor: a\nflavor: b\n", err: "flavor"},
		"NoMapping":           {text: "- flavor\n", err: "line 1: it must have lines of the form SETTING: VALUE"},
		"List":                {text: "flavor: [a, b]\n", err: "line 1: flavor must be one value"},
		"NoYAML":              {text: "flavor: [\n", err: "cannot be read"},
		"Flavor":              {text: "flavor: Big One\n", err: "flavor must be the name of a flavor"},
		"Image":               {text: "image: a b\n", err: "image must be an image reference"},
		"Size":                {text: "homeSize: much\n", err: "homeSize must be a size from 1Mi to 1Pi, such as 100Gi"},
		"NegativeSize":        {text: "homeSize: -1Gi\n", err: "homeSize must be a size from 1Mi to 1Pi, such as 100Gi"},
		"RelativeKey":         {text: "key: id_ed25519.pub\n", err: "key must be a path that begins with / or ~/"},
		"GitHub":              {text: "github: a/b\n", err: "github must be the name of a user"},
		"PlainHTTP":           {text: "githubURL: http://github.example.com\n", err: "githubURL must be a URL that begins with https://"},
		"EditorWithFlags":     {text: "editor: code --wait\n", err: "editor must be the name of a program"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			place(t, tc.text)
			got, err := Load()
			switch {
			case tc.err == "" && err != nil:
				t.Fatal(err)
			case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Fatalf("got %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadWithoutAFile(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if got, err := Load(); err != nil || got != (Config{}) {
		t.Errorf("got %+v, %v, want that nothing is set", got, err)
	}
}

func TestPath(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	for dir, want := range map[string]string{
		"/etc/mine": "/etc/mine/devserver/config.yaml",
		"":          "/home/ann/.config/devserver/config.yaml",
		"relative":  "/home/ann/.config/devserver/config.yaml", // which the XDG specification ignores
	} {
		t.Setenv("XDG_CONFIG_HOME", dir)
		if got, err := Path(); err != nil || got != want {
			t.Errorf("XDG_CONFIG_HOME=%q: got %q, %v, want %q", dir, got, err, want)
		}
	}
}

// A change leaves alone what the person wrote around it.
func TestChangeKeepsTheRest(t *testing.T) {
	flavor, err := find("flavor")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		before, after string
		change        func(*file) error
	}{
		"First":   {"", "flavor: big\n", func(f *file) error { return f.set(flavor, "big") }},
		"Comment": {"# mine\n", "# mine\n\nflavor: big\n", func(f *file) error { return f.set(flavor, "big") }},
		"Replace": {
			"# mine\neditor: code # at the office\n# the small one\nflavor: small # for now\n",
			"# mine\neditor: code # at the office\n# the small one\nflavor: big # for now\n",
			func(f *file) error { return f.set(flavor, "big") },
		},
		"Unset":      {"# mine\nflavor: small\neditor: code\n", "editor: code\n", func(f *file) error { f.unset("flavor"); return nil }},
		"UnsetLast":  {"flavor: small\n", "", func(f *file) error { f.unset("flavor"); return nil }},
		"Unknown":    {"flavour: small\neditor: code\n", "editor: code\n", func(f *file) error { f.unset("flavour"); return nil }},
		"LooksLikeA": {"", "flavor: \"123\"\n", func(f *file) error { return f.set(flavor, "123") }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path := place(t, tc.before)
			if err := change(tc.change); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.after, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A file that is a link into a folder with dotfiles stays one.
func TestChangeWritesThroughALink(t *testing.T) {
	path := place(t, "")
	dotfile := filepath.Join(t.TempDir(), "devserver.yaml")
	if err := os.Rename(path, dotfile); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dotfile, path); err != nil {
		t.Fatal(err)
	}
	editor, err := find("editor")
	if err != nil {
		t.Fatal(err)
	}
	if err := change(func(f *file) error { return f.set(editor, "cursor") }); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(dotfile); err != nil || string(text) != "editor: cursor\n" {
		t.Errorf("the file behind the link has %q (%v)", text, err)
	}
	if target, err := os.Readlink(path); err != nil || target != dotfile {
		t.Errorf("the link leads to %q (%v)", target, err)
	}
}
