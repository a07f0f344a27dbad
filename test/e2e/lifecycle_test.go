package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
)

// soon is the shortest time that a server may be without work.
const soon = time.Minute

// restless is a DevServer that is suspended after so long without work.
func (s *site) restless(name string, timeout time.Duration) *v1.DevServer {
	ds := s.devServer(name)
	ds.Spec.Lifecycle = &v1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: timeout}}
	return ds
}

// asleep waits until the server's pod is gone, for a reason.
func (b *server) asleep(phase v1.DevServerPhase, reason string) *v1.DevServer {
	b.Helper()
	ds := await(b.site, b.ds, string(phase), func(d *v1.DevServer) bool { return d.Status.Phase == phase })
	if !hasReason(ds, v1.ConditionReady, reason) {
		b.Errorf("%s is %s without the reason %s: %+v", ds.Name, phase, reason, ds.Status.Conditions)
	}
	b.absent(b.pod())
	return ds
}

// micro is a time as a Lease has it.
func micro(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// TestIdleServerIsSuspendedAndWakes: a server that nobody uses gives its resources back,
// with a silent session open, and wakes by devctl start, which renews its Lease,
// with its home, key and port.
func TestIdleServerIsSuspendedAndWakes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.restless("server", soon))
	b.sh("echo kept > ~/file")
	port := b.ds.Status.SSH.Port
	b.session().expect("$ ")

	ds := b.asleep(v1.PhaseSuspended, v1.ReasonIdle)
	if ds.Status.SuspendedAt == nil {
		s.Error("status.suspendedAt is empty")
	}
	s.awaitEvent("server", "Idle")
	if printed := s.devctl("start", "server", "--wait"); printed != ds.Status.SSH.Command {
		s.Errorf("devctl start printed %q, want the ssh command alone", printed)
	}
	b = s.running(b.ds)
	b.want("cat ~/file", "kept")
	if b.ds.Status.SSH.Port != port {
		s.Errorf("the port was %d and is %d", port, b.ds.Status.SSH.Port)
	}
}

// TestActivityKeepsAServerAwake: whatever a server works with, it is not suspended.
func TestActivityKeepsAServerAwake(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, work := range map[string]func(*server){
		"cpu": func(b *server) {
			b.sh(`nohup sh -c 'while :; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.2; done' >/dev/null 2>&1 </dev/null &`)
		},
		"output": func(b *server) { b.session("while :; do date; sleep 1; done").expect(":") },
		// A terminal of an editor's own, at which somebody types.
		"typing": func(b *server) {
			b.sh(`nohup sh -c 'while :; do echo ls; sleep 9; done | script -qc "cat >/dev/null" /dev/null' >/dev/null 2>&1 </dev/null &`)
		},
		"keep": func(b *server) { b.sh("nohup devserver-agent keep -- sleep 1000 >/dev/null 2>&1 </dev/null &") },
		"lease": func(b *server) {
			lease := &coordinationv1.Lease{ObjectMeta: b.named(b.ds.Name)}
			await(b.site, lease, "there", func(*coordinationv1.Lease) bool { return true })
			b.kubectl("", "patch", "lease", b.ds.Name, "--type=merge", "--patch",
				fmt.Sprintf(`{"spec":{"acquireTime":%q,"leaseDurationSeconds":3600}}`, micro(time.Now())))
		},
	} {
		s.sub(name, func(s *site) {
			b, idle := s.start(s.restless("works-"+name, soon)), s.devServer("idle-"+name)
			idle.Spec.Lifecycle = b.ds.Spec.Lifecycle
			work(b)
			before := b.podUID()
			// Another server that starts later sleeps before anything happens here.
			s.start(idle).asleep(v1.PhaseSuspended, v1.ReasonIdle)
			s.get(b.ds)
			if b.ds.Status.Phase != v1.PhaseRunning || b.podUID() != before {
				s.Errorf("a server at work is %s: %s", b.ds.Status.Phase, b.ds.Status.Activity)
			}
		})
	}
}

// TestWarnedUserWhoTypesStays: the warning comes on the terminal, and one key
// averts what it warns of; the next warning comes when that was long ago.
func TestWarnedUserWhoTypesStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.restless("server", soon))
	before := b.podUID()
	await(s, b.ds, "watched", func(d *v1.DevServer) bool { return d.Status.Activity != "" })
	c := b.session()
	c.expect("after 1m without work.") // The notice at login.
	c.expect("server is suspended at ")
	c.keys("\r")
	c.expect("server is suspended at ")
	if b.podUID() != before {
		s.Error("the server was stopped between the two warnings")
	}
	b.asleep(v1.PhaseSuspended, v1.ReasonIdle)
}

// TestServerWithoutImageIsSuspended: a server that never starts gives its node back as any
// other, and says why; once its image is there, it wakes.
func TestServerWithoutImageIsSuspended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.restless("server", soon)
	ds.Spec.Image = "localhost:1/no-such-image:1.0" // Nothing listens there.
	s.create(ds)
	ds = s.notReady(ds, v1.PhaseFailed, v1.ReasonImagePullFailed)
	await(s, ds, "idle", func(d *v1.DevServer) bool {
		return strings.Contains(d.Status.Activity, "its container does not run: ImagePullFailed")
	})
	await(s, ds, "Suspended", func(d *v1.DevServer) bool { return d.Status.Phase == v1.PhaseSuspended })
	s.notReady(ds, v1.PhaseSuspended, v1.ReasonIdle, "because its container did not run: ImagePullFailed")
	s.absent(&corev1.Pod{ObjectMeta: s.named("server-0")})
	edit(s, ds, func(d *v1.DevServer) { d.Spec.Image = "" })
	s.devctl("start", "server", "--wait")
	s.running(ds).want("whoami", "dev")
}

// TestSuspendAndResume: processes are asked to end, and have time to.
func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	b.sh(`nohup sh -c 'trap "echo saved > ~/file; exit" TERM; while :; do sleep 0.1; done' >/dev/null 2>&1 </dev/null &`)
	s.devctl("stop", "server", "--wait")
	b.absent(b.pod())
	b.asleep(v1.PhaseSuspended, v1.ReasonSuspended)
	s.devctl("start", "server", "--wait")
	s.running(b.ds).want("cat ~/file", "saved")
}

// TestExpiry: a server whose time is over stops, whatever it does, and comes back
// by its owner's edit.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.Lifecycle = &v1.LifecycleSpec{TimeToLive: &metav1.Duration{Duration: soon}}
	b := s.start(ds)
	b.sh("echo kept > ~/file")
	c := b.session("while :; do date; sleep 1; done")
	c.expect("server expires at ")
	b.asleep(v1.PhaseExpired, v1.ReasonExpired)
	now := metav1.Now()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.RestartedAt, d.Spec.Lifecycle = &now, nil })
	s.running(b.ds).want("cat ~/file", "kept")
}
