package e2e

import (
	"strings"
	"testing"

	"devserver.io/devserver/test/openssh"
)

// Images in the local cluster that lack things or differ from the default image, as
// users' images do.
const (
	shOnlyImage    = "devserver.io/test/sh-only:0.1.0"
	noShellImage   = "devserver.io/test/no-shell:0.1.0"
	condaLikeImage = "devserver.io/test/conda-like:0.1.0"
)

func (s *site) startImage(image string) *server {
	s.Helper()
	ds := s.devServer("server")
	ds.Spec.Image = image
	return s.start(ds)
}

// TestImageWithShOnly: an image without an SSH server, bash and an account with the
// uid 1000 works.
func TestImageWithShOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.startImage(shOnlyImage)
	b.want("echo $HOME $USER; pwd", "/home/dev dev\n/home/dev")
	b.want("echo ~dev", "/home/dev")
	b.want("while IFS=: read -r name _ uid _; do [ $uid = 1000 ] && echo $name; done < /etc/passwd; true", "dev")
	if r := b.try("exit 3"); r.Code != 3 {
		s.Errorf("exit 3: %+v", r)
	}
	source := s.random("data", 100_000)
	back := s.TempDir() + "/back"
	s.must(openssh.Tool(s.bounded(), "scp", "-q", "-F", b.client.Config, source, openssh.Host+":data"))
	s.must(openssh.Tool(s.bounded(), "scp", "-q", "-F", b.client.Config, openssh.Host+":data", back))
	s.sameFile(source, back)
	c := b.terminal()
	c.enter("echo in''side $((6 * 7)) $HOME")
	c.expect("inside 42 /home/dev")
	c.enter("exit 4")
	c.ended(4)
}

// TestImageWithoutShell: a login reports that the image has no shell. Programs of the
// image can still be run.
func TestImageWithoutShell(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.startImage(noShellImage)
	for _, options := range [][]string{{"-tt"}, {"-T"}} {
		r := s.do(b.client.Command(s.bounded(), options))
		if output := r.Stdout + r.Stderr; r.Code == 0 || !strings.Contains(output, "image has no shell") {
			s.Errorf("login with %v: exit code %d, %q", options, r.Code, output)
		}
	}
	r := b.try("/noshell 'two words' exit=5")
	if r.Code != 5 || !strings.HasPrefix(r.Stdout, "arg 0: /noshell\narg 1: two words\narg 2: exit=5\n") {
		s.Errorf("exec of a given program: %+v", r)
	}
	if !strings.Contains(r.Stdout, "env: HOME=/home/dev\n") || !strings.Contains(r.Stdout, "env: USER=dev\n") {
		s.Errorf("its environment: %s", r.Stdout)
	}
	if r := b.try("/no/such/program"); r.Code != 127 {
		s.Errorf("a program that does not exist: %+v", r)
	}
	source := s.random("data", 100_000)
	back := s.TempDir() + "/back"
	s.must(openssh.Tool(s.bounded(), "scp", "-q", "-F", b.client.Config, source, openssh.Host+":data"))
	s.must(openssh.Tool(s.bounded(), "scp", "-q", "-F", b.client.Config, openssh.Host+":data", back))
	s.sameFile(source, back)
}

// TestImageWithItsOwnAccount: the image has another account with the uid 1000 and
// tools outside the usual PATH, as images for machine learning do.
func TestImageWithItsOwnAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.startImage(condaLikeImage)
	b.want("whoami; id -un; id -gn; echo ~; stat -c %U ~", "dev\ndev\ndev\n/home/dev\ndev")
	for _, name := range []string{"PATH", "CUDA_HOME", "LD_LIBRARY_PATH"} {
		want := b.sh("printenv " + name)
		b.want(`bash -lc "printenv `+name+`"`, want)
		if got := b.shell().ask("printenv " + name); got != want {
			s.Errorf("%s in the login shell is %q, in a command %q", name, got, want)
		}
	}
	if path := b.sh("printenv PATH"); !strings.HasPrefix(path, "/opt/conda/bin:") {
		s.Errorf("PATH is %q, not the image's own", path)
	}
	if cuda := b.sh("printenv CUDA_HOME"); cuda != "/usr/local/cuda" {
		s.Errorf("CUDA_HOME is %q, not the image's own", cuda)
	}
}
