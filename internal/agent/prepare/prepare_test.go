package prepare

import (
	"bytes"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agentapi"
)

// tree describes files by path: "/" at the end is a folder, "-> " before the
// content is a link, "x " an executable, "0600 " a private file.
type tree map[string]string

func (tr tree) write(t *testing.T, root string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(tr)) {
		path, content := filepath.Join(root, name), tr[name]
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case strings.HasPrefix(content, "-> "):
			err = os.Symlink(content[3:], path)
		case strings.HasPrefix(content, "x "):
			err = os.WriteFile(path, []byte(content[2:]), 0o755)
		case strings.HasPrefix(content, "0600 "):
			err = os.WriteFile(path, []byte(content[5:]), 0o600)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fixture is a server before its prepare step.
type fixture struct {
	t   *testing.T
	cfg Config
	log bytes.Buffer
}

func newFixture(t *testing.T, image tree) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{t: t}
	f.cfg = Config{
		ImageDir:  filepath.Join(dir, "image"),
		VolumeDir: filepath.Join(dir, "volume"),
		HomeName:  "dev",
		AgentDir:  filepath.Join(dir, "agent"),
		RunDir:    filepath.Join(dir, "run"),
		Binary:    filepath.Join(dir, "binary"),
		UID:       1000,
		GID:       1000,
		Logger:    slog.New(slog.NewTextHandler(&f.log, nil)),
	}
	for _, dir := range []string{f.cfg.ImageDir, f.cfg.VolumeDir, f.cfg.AgentDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.cfg.Binary, []byte("agent"), 0o700); err != nil {
		t.Fatal(err)
	}
	image.write(t, f.cfg.ImageDir)
	return f
}

func (f *fixture) run() {
	f.t.Helper()
	if err := Run(f.cfg); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) home(name string) string {
	return filepath.Join(f.cfg.VolumeDir, "dev", name)
}

func (f *fixture) read(path string) string {
	f.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

func (f *fixture) mode(path string) fs.FileMode {
	f.t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return info.Mode()
}

func TestFillsAgentDir(t *testing.T) {
	f := newFixture(t, tree{"bin/bash": "x ", "etc/passwd": "root:x:0:0::/root:/bin/sh\n"})
	f.run()
	binary := filepath.Join(f.cfg.AgentDir, agentapi.AgentFile)
	if f.read(binary) != "agent" || f.mode(binary) != 0o755 {
		t.Errorf("the agent is %q with mode %v", f.read(binary), f.mode(binary))
	}
	for name, want := range map[string]string{
		agentapi.PasswdFile:  "dev:*:1000:1000::/home/dev:/bin/bash\n",
		agentapi.GroupFile:   "dev:x:1000:\n",
		agentapi.ProfileFile: "DEVSERVER_PATH",
	} {
		path := filepath.Join(f.cfg.AgentDir, name)
		if !strings.Contains(f.read(path), want) {
			t.Errorf("%s: got no %q in:\n%s", name, want, f.read(path))
		}
		if f.mode(path) != 0o644 {
			t.Errorf("%s has mode %v", name, f.mode(path))
		}
	}
	f.run() // and again, as after a crash
}

// TestMakesFolderOfSocket shows that the SSH server, which is another user, can enter the
// folder of the spawner's socket, and that only its owner can write to it.
func TestMakesFolderOfSocket(t *testing.T) {
	f := newFixture(t, tree{})
	defer syscall.Umask(syscall.Umask(0o077))
	for range 2 {
		f.run()
		info, err := os.Stat(f.cfg.RunDir)
		mustDo(t, err)
		if want := fs.ModeDir | 0o755; info.Mode() != want {
			t.Errorf("the folder has mode %v, want %v", info.Mode(), want)
		}
	}
}

func TestInterruptedCopyIsReplaced(t *testing.T) {
	f := newFixture(t, tree{})
	tree{"bin/devserver-agent.devserver": "half an ag and much more"}.write(t, f.cfg.AgentDir)
	f.run()
	if got := f.read(filepath.Join(f.cfg.AgentDir, agentapi.AgentFile)); got != "agent" {
		t.Errorf("the agent is %q", got)
	}
}

func TestShell(t *testing.T) {
	tests := map[string]struct {
		image tree
		want  string
	}{
		"bash":                        {tree{"bin/bash": "x ", "bin/sh": "x "}, "/bin/bash"},
		"sh only":                     {tree{"bin/sh": "x "}, "/bin/sh"},
		"bash in usr":                 {tree{"usr/bin/bash": "x ", "bin/sh": "x "}, "/usr/bin/bash"},
		"merged usr, relative link":   {tree{"usr/bin/bash": "x ", "bin": "-> usr/bin"}, "/bin/bash"},
		"merged usr, absolute link":   {tree{"usr/bin/bash": "x ", "bin": "-> /usr/bin"}, "/bin/bash"},
		"busybox by absolute link":    {tree{"bin/busybox": "x ", "bin/sh": "-> /bin/busybox"}, "/bin/sh"},
		"busybox of distroless":       {tree{"busybox/sh": "x "}, "/busybox/sh"},
		"bash that is not executable": {tree{"bin/bash": "", "bin/sh": "x "}, "/bin/sh"},
		"bash that is a folder":       {tree{"bin/bash/": "", "bin/sh": "x "}, "/bin/sh"},
		"dangling link":               {tree{"bin/bash": "-> /nowhere", "bin/sh": "x "}, "/bin/sh"},
		"circular link":               {tree{"bin/bash": "-> /bin/bash", "bin/sh": "x "}, "/bin/sh"},
		"link out of the image":       {tree{"bin/bash": "-> ../../../../../../../../../../bin/sh-of-the-node"}, "/bin/sh"},
		"none":                        {tree{"app": "x "}, "/bin/sh"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, test.image)
			if got := imageRoot(f.cfg.ImageDir).shell(); got != test.want {
				t.Errorf("shell %s, want %s", got, test.want)
			}
		})
	}
}

func TestReadsPasswdInsideTheImage(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	tree{"": "node-secret:x:0:0::/:\n"}.write(t, outside)
	tests := map[string]tree{
		"absolute link": {"etc/passwd": "-> " + outside},
		"relative link": {"etc/passwd": "-> ../../../../../../../../../../.." + outside},
		"linked folder": {"etc": "-> " + filepath.Dir(outside), "x": ""},
	}
	for name, image := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, image)
			f.run()
			if text := f.read(filepath.Join(f.cfg.AgentDir, agentapi.PasswdFile)); strings.Contains(text, "node-secret") {
				t.Errorf("the link was followed out of the image:\n%s", text)
			}
		})
	}
}

func TestRefusesOddPasswd(t *testing.T) {
	f := newFixture(t, tree{"etc/": ""})
	if err := unix.Mkfifo(filepath.Join(f.cfg.ImageDir, "etc/passwd"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Run(f.cfg); err == nil || !strings.Contains(err.Error(), "/etc/passwd") {
		t.Errorf("error %v does not name /etc/passwd", err)
	}
}

func TestErrorsHaveCauseAndRemedy(t *testing.T) {
	tests := map[string]struct {
		spoil func(*fixture)
		want  []string
	}{
		"no image": {
			func(f *fixture) { os.RemoveAll(f.cfg.ImageDir) },
			[]string{"not mounted at", "image volumes"},
		},
		"no volume": {
			func(f *fixture) { os.RemoveAll(f.cfg.VolumeDir) },
			[]string{"cannot create the home", "no such file"},
		},
		"home is a file": {
			func(f *fixture) { tree{"dev": "x"}.write(f.t, f.cfg.VolumeDir) },
			[]string{"is not a folder", "move it to another place"},
		},
		"home is a link": {
			func(f *fixture) { tree{"dev": "-> /etc"}.write(f.t, f.cfg.VolumeDir) },
			[]string{"is not a folder"},
		},
		"agent folder is a file": {
			func(f *fixture) {
				mustDo(f.t, os.RemoveAll(f.cfg.AgentDir))
				mustDo(f.t, os.WriteFile(f.cfg.AgentDir, nil, 0o600))
			},
			[]string{"cannot write", "emptyDir"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tree{})
			test.spoil(f)
			err := Run(f.cfg)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want one with %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q is more than one line", err)
			}
		})
	}
}

func TestErrorsOfUnusableVolumes(t *testing.T) {
	h := home{volume: "/volume", name: "dev"}
	tests := map[string]struct {
		err  error
		want string
	}{
		"not writable":  {&fs.PathError{Op: "mkdir", Path: "/volume/x", Err: unix.EACCES}, "ignores the pod's fsGroup"},
		"not the owner": {&fs.PathError{Op: "chmod", Path: "/volume/x", Err: unix.EPERM}, "fsGroup"},
		"read-only":     {&fs.PathError{Op: "mkdir", Path: "/volume/x", Err: unix.EROFS}, "read-only"},
		"full":          {&fs.PathError{Op: "write", Path: "/volume/x", Err: unix.ENOSPC}, "persistentHomeSize"},
		"over quota":    {&fs.PathError{Op: "write", Path: "/volume/x", Err: unix.EDQUOT}, "full"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := h.explain("create", test.err).Error()
			if !strings.Contains(got, test.want) || !strings.Contains(got, "/volume/dev") || strings.Contains(got, "/volume/x") {
				t.Errorf("got %q, want %q, and no path other than /volume/dev", got, test.want)
			}
		})
	}
}
