package e2e

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"

	"devserver.io/devserver/test/openssh"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// copies tests scp with the SFTP and the old protocol, sftp, and rsync.
func copies(b *server) {
	b.sub("scp", func(s *site) { scp(b.in(s)) })
	b.sub("sftp", func(s *site) { sftp(b.in(s)) })
	b.sub("rsync", func(s *site) { rsync(b.in(s)) })
}

func scp(b *server) {
	for _, protocol := range []string{"-s", "-O"} {
		source := b.random("data", 3<<20)
		back := filepath.Join(b.TempDir(), "back")
		remote := openssh.Host + ":scp" + protocol
		b.must(openssh.Tool(b.bounded(), "scp", "-q", "-F", b.client.Config, protocol, source, remote))
		b.must(openssh.Tool(b.bounded(), "scp", "-q", "-F", b.client.Config, protocol, remote, back))
		b.sameFile(source, back)
		b.want("stat -c %U:%s ~/scp"+protocol, "dev:3145728")
	}
}

func sftp(b *server) {
	source := b.random("data", 1<<20)
	back := filepath.Join(b.TempDir(), "back")
	cmd := openssh.Tool(b.bounded(), "sftp", "-q", "-F", b.client.Config, "-b", "-", openssh.Host)
	cmd.Stdin = strings.NewReader(strings.Join([]string{
		"pwd",
		"mkdir sftp-dir",
		"put " + source + " sftp-dir/data",
		"chmod 640 sftp-dir/data",
		"rename sftp-dir/data sftp-dir/renamed",
		"ln -s renamed sftp-dir/link",
		"get sftp-dir/link " + back,
		"df -h",
	}, "\n"))
	if out := b.must(cmd); !strings.Contains(out, "Remote working directory: /home/dev\n") {
		b.Errorf("sftp does not start in the home: %s", out)
	}
	b.sameFile(source, back)
	b.want("stat -c %a ~/sftp-dir/renamed; readlink ~/sftp-dir/link", "640\nrenamed")
}

func rsync(b *server) {
	tree := b.TempDir()
	for _, name := range []string{"one", "two words", "sub/three"} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, randomBytes(200_000), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	back := b.TempDir()
	transport := "ssh -F " + b.client.Config
	b.must(openssh.Tool(b.bounded(), "rsync", "-az", "-e", transport, tree+"/", openssh.Host+":rsync/"))
	b.must(openssh.Tool(b.bounded(), "rsync", "-az", "--checksum", "-e", transport, openssh.Host+":rsync/", back+"/"))
	for _, name := range []string{"one", "two words", "sub/three"} {
		b.sameFile(filepath.Join(tree, name), filepath.Join(back, name))
	}
	if out := b.must(openssh.Tool(b.bounded(), "rsync", "-azi", "--checksum", "-e", transport, tree+"/", openssh.Host+":rsync/")); out != "" {
		b.Errorf("a second rsync sends again: %s", out)
	}
}

func (s *site) sameFile(a, b string) {
	s.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		s.Fatal(err)
	}
	other, err := os.ReadFile(b)
	if err != nil {
		s.Fatal(err)
	}
	if !bytes.Equal(one, other) {
		s.Errorf("%s and %s differ", a, b)
	}
}
