package sshconfig

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"devserver.io/devserver/internal/cli/dotfile"
)

func TestIncludes(t *testing.T) {
	cases := map[string]struct {
		reason string
		config string
		want   bool
	}{
		"Nothing":     {"it has no line", "", false},
		"Tilde":       {"as we write it", "Include ~/.ssh/devserver/config\n", true},
		"Relative":    {"OpenSSH begins at ~/.ssh", "include devserver/config\n", true},
		"Absolute":    {"the same file", `Include "/home/ann/.ssh/devserver/config"`, true},
		"Equals":      {"OpenSSH knows that too", "Include=devserver/config", true},
		"Pattern":     {"it matches", "Include config.d/* devserver/*", true},
		"Other":       {"it is another file", "Include ~/.ssh/other/config\n", false},
		"Comment":     {"a comment includes nothing", "# Include ~/.ssh/devserver/config\n", false},
		"BehindAHost": {"it applies to that host only", "Host x\n  Include ~/.ssh/devserver/config\n", false},
		"BeforeAHost": {"it applies to all hosts", "  Include ~/.ssh/devserver/config\nHost x\n", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := includes(tc.config, "/home/ann/.ssh/devserver/config", "/home/ann"); got != tc.want {
				t.Errorf("%s: got %v for %q", tc.reason, got, tc.config)
			}
		})
	}
}

func TestIncludeLineOnly(t *testing.T) {
	const mine = "\xef\xbb\xbfHost *\r\n\tUser ann\r\n\r\n# no newline at the end"
	line := place{home: "/home/ann", tilde: true}.includeLine()
	if diff := cmp.Diff("Include ~/.ssh/devserver/config", line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(mine, withoutInclude(withInclude(mine, line), line)); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
}

func TestMerge(t *testing.T) {
	at := func(context, namespace, name string) host {
		return host{Context: context, Namespace: namespace, Name: name, Host: name + "." + namespace + ".devserver", Alias: name + "." + namespace}
	}
	before := []host{at("lab", "a", "gone"), at("lab", "a", "stays"), at("lab", "b", "other"), at("prod", "a", "stays"), at("prod", "a", "elsewhere")}
	merged, taken := merge(before, []host{at("lab", "a", "stays"), at("lab", "a", "new")}, func(h host) bool { return h.Context == "lab" && h.Namespace == "a" })
	want := []host{at("lab", "a", "new"), at("lab", "a", "stays"), at("lab", "b", "other"), at("prod", "a", "elsewhere")}
	if diff := cmp.Diff(want, merged); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]host{at("prod", "a", "stays")}, taken); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	wrote := file{short: &scope{Context: "lab", Namespace: "a"}, hosts: want}
	read, err := parse(wrote.text("known", nil))
	if diff := cmp.Diff(wrote, read, cmp.AllowUnexported(file{})); err != nil || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
}

func TestShortNames(t *testing.T) {
	home := t.TempDir()
	p := place{home: home, tilde: true}
	for name, text := range map[string]string{
		"config":              "Include ~/.ssh/devserver/config work/*\n# Host comment\nHost own *.example.com !trainer\n\tUser ann\nHost *\nMatch originalhost matched,other user x\nHost \"quoted\"\nHost=equals\n",
		"devserver/config":    "Host trainer\n",
		"work/hosts":          "host Included web-?\ninclude ~/.ssh/work/hosts\n",
		"unrelated/elsewhere": "Host unrelated\n",
	} {
		if err := dotfile.Write(filepath.Join(home, ".ssh", name), text); err != nil {
			t.Fatal(err)
		}
	}
	own, err := p.ownHosts()
	if err != nil {
		t.Fatal(err)
	}
	s := &scope{Context: "lab", Namespace: "a"}
	for name, want := range map[string]bool{
		"trainer": true, "unrelated": true, "comment": true, "web": true, "web-10": true,
		"own": false, "matched": false, "other": false, "quoted": false, "equals": false, "included": false, "web-1": false,
	} {
		if got := len(s.names(host{Context: "lab", Namespace: "a", Name: name, Host: "long"}, own)) == 2; got != want {
			t.Errorf("%s has a short name: %v, want %v", name, got, want)
		}
	}
	for reason, h := range map[string]host{"namespace": {Context: "lab", Namespace: "b"}, "context": {Context: "prod", Namespace: "a"}} {
		if got := s.names(h, nil); len(got) != 1 {
			t.Errorf("another %s has short names: %v", reason, got)
		}
	}
}
