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

// login prepares a client that logs in to a server with a key.
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

// in returns the same server for use in another test, such as a subtest.
func (b *server) in(s *site) *server {
	return &server{site: s, ds: b.ds, client: b.client}
}

// restarted waits until the server runs in a different pod.
func (b *server) restarted(before types.UID) *server {
	b.Helper()
	pod := await(b.site, b.pod(), "Ready in another pod", func(p *corev1.Pod) bool {
		return p.UID != before && podReady(p)
	})
	// Until the operator has seen that pod, the status describes the former one.
	ds := await(b.site, b.ds, "Running in that pod", func(d *v1.DevServer) bool {
		return d.Status.Phase == v1.PhaseRunning && d.Status.PodIP == pod.Status.PodIP && !d.Status.StartedAt.Before(&pod.CreationTimestamp)
	})
	return b.running(ds)
}

// pod returns the server's pod with only its name and namespace set.
func (b *server) pod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: b.named(b.ds.Name + "-0")}
}

// podUID returns the UID of the server's current pod.
func (b *server) podUID() types.UID {
	b.Helper()
	return b.readPod().UID
}

// readPod returns the server's current pod.
func (b *server) readPod() *corev1.Pod {
	b.Helper()
	p := b.pod()
	b.get(p)
	return p
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// bounded returns the context for one client command.
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

// must runs a prepared program, fails the test if it fails, and returns its output
// without the last newline.
func (s *site) must(cmd *exec.Cmd) string {
	s.Helper()
	r := s.do(cmd)
	if r.Code != 0 {
		s.Fatalf("%s: exit code %d\n%s%s", strings.Join(cmd.Args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// sh runs "ssh server SCRIPT", which must succeed, and returns its output.
func (b *server) sh(script string) string {
	b.Helper()
	return b.must(b.client.Command(b.bounded(), nil, script))
}

// try runs "ssh OPTIONS server SCRIPT", which may fail.
func (b *server) try(script string, options ...string) openssh.Result {
	b.Helper()
	return b.do(b.client.Command(b.bounded(), options, script))
}

// want checks the output of a script that runs on the server.
func (b *server) want(script, printed string) {
	b.Helper()
	if got := b.sh(script); got != printed {
		b.Errorf("ssh server %q printed %q, want %q", script, got, printed)
	}
}

// endOf waits until a process on the server has ended.
func (b *server) endOf(pid string) {
	b.Helper()
	b.sh(fmt.Sprintf("tail --pid=%s -f /dev/null", pid))
}

// eventually calls works until it returns true. It is for changes that no API
// reports, such as a changed file in a pod. All others are watched.
func (s *site) eventually(what string, works func() bool) {
	s.Helper()
	ctx := s.bounded()
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for !works() {
		select {
		case <-ctx.Done():
			s.Fatalf("this never became true: %s", what)
		case <-pace.C:
		}
	}
}

// awaitEvent waits for an event about an object. Events are sent independently of
// other writes, and may arrive after the status that belongs to them.
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
