package e2e

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/openssh"
)

// server is a running DevServer and its owner's OpenSSH client.
type server struct {
	*site
	ds     *v1.DevServer
	client *openssh.Client
}

// start creates a DevServer and waits until it is Running.
func (s *site) start(ds *v1.DevServer) *server {
	s.Helper()
	s.create(ds)
	return s.running(ds)
}

// running waits until a DevServer is Running and prepares a client for it.
func (s *site) running(ds *v1.DevServer) *server {
	s.Helper()
	ds = await(s, ds, "Running", func(d *v1.DevServer) bool {
		return d.Status.Phase == v1.PhaseRunning && d.Status.ObservedGeneration == d.Generation
	})
	if !meta.IsStatusConditionTrue(ds.Status.Conditions, v1.ConditionReady) {
		s.Fatalf("%s is Running without being Ready: %+v", ds.Name, ds.Status.Conditions)
	}
	return s.login(ds, s.key)
}

// login prepares a client for a server with a key.
func (s *site) login(ds *v1.DevServer, key openssh.Key) *server {
	s.Helper()
	if ds.Status.SSH == nil {
		s.Fatalf("%s has no status.ssh", ds.Name)
	}
	client, err := openssh.NewClient(s.TempDir(), openssh.Target{
		Host: ds.Status.SSH.Host, Port: ds.Status.SSH.Port,
		HostKey: ds.Status.SSH.HostKey, Alias: ds.Name + "." + ds.Namespace, Key: key,
	})
	if err != nil {
		s.Fatal(err)
	}
	return &server{site: s, ds: ds, client: client}
}

// in runs the server's checks under another test, such as a subtest.
func (b *server) in(s *site) *server {
	return &server{site: s, ds: b.ds, client: b.client}
}

// restarted waits until the server runs in another pod than before.
func (b *server) restarted(before types.UID) *server {
	b.Helper()
	pod := await(b.site, b.pod(), "Ready in another pod", func(p *corev1.Pod) bool {
		return p.UID != before && podReady(p)
	})
	// Until the operator has seen that pod, the status is of the one before.
	ds := await(b.site, b.ds, "Running in that pod", func(d *v1.DevServer) bool {
		return d.Status.Phase == v1.PhaseRunning && d.Status.PodIP == pod.Status.PodIP && !d.Status.StartedAt.Before(&pod.CreationTimestamp)
	})
	return b.running(ds)
}

// pod is the server's pod, by name only.
func (b *server) pod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: b.named(b.ds.Name + "-0")}
}

// podUID is the UID of the server's pod now.
func (b *server) podUID() types.UID {
	b.Helper()
	p := b.pod()
	b.get(p)
	return p.UID
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// bounded is the context of one client command.
func (s *site) bounded() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), bound)
	s.Cleanup(cancel)
	return ctx
}

// do runs a prepared program to its end, whatever its exit code.
func (s *site) do(cmd *exec.Cmd) openssh.Result {
	s.Helper()
	r, err := openssh.Do(cmd)
	if err != nil {
		s.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, r.Stderr)
	}
	return r
}

// must runs a prepared program, which has to succeed, and returns what it
// printed, without the last newline.
func (s *site) must(cmd *exec.Cmd) string {
	s.Helper()
	r := s.do(cmd)
	if r.Code != 0 {
		s.Fatalf("%s: exit code %d\n%s%s", strings.Join(cmd.Args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// sh is "ssh server SCRIPT" that has to succeed: what the script printed.
func (b *server) sh(script string) string {
	b.Helper()
	return b.must(b.client.Command(b.bounded(), nil, script))
}

// try is "ssh OPTIONS server SCRIPT", however it ends.
func (b *server) try(script string, options ...string) openssh.Result {
	b.Helper()
	return b.do(b.client.Command(b.bounded(), options, script))
}

// want compares what a script in the server prints.
func (b *server) want(script, printed string) {
	b.Helper()
	if got := b.sh(script); got != printed {
		b.Errorf("ssh server %q printed %q, want %q", script, got, printed)
	}
}

// endOf waits until a process of the server has ended.
func (b *server) endOf(pid string) {
	b.Helper()
	b.sh(fmt.Sprintf("tail --pid=%s -f /dev/null", pid))
}

// eventually tries until it works. It is for what no API shows, such as the
// moment when a file in a pod has changed; everything else is watched.
func (s *site) eventually(what string, works func() bool) {
	s.Helper()
	ctx := s.bounded()
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for !works() {
		select {
		case <-ctx.Done():
			s.Fatalf("never: %s", what)
		case <-pace.C:
		}
	}
}

// awaitEvent waits for an event about an object. Events are sent beside all other
// writes, and may arrive after the status that belongs to them.
func (s *site) awaitEvent(object, reason string) {
	s.Helper()
	s.eventually("an event "+reason+" about "+object, func() bool {
		return s.kubectl("", "get", "events", "--field-selector=involvedObject.name="+object+",reason="+reason, "-o=name") != ""
	})
}

// line reads one line of a running command's output.
func (s *site) line(r io.Reader) string {
	s.Helper()
	var line []byte
	for one := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, one); err != nil {
			s.Fatalf("output ended after %q: %v", line, err)
		}
		if one[0] == '\n' {
			return string(line)
		}
		line = append(line, one[0])
	}
}

func restartPending(d *v1.DevServer) bool {
	return meta.IsStatusConditionTrue(d.Status.Conditions, v1.ConditionRestartPending)
}
