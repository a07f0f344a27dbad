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

// soon is the shortest idle timeout that the API accepts.
const soon = time.Minute

// suspendedWhenIdle returns a DevServer with an idle timeout.
func (s *site) suspendedWhenIdle(name string, timeout time.Duration) *v1.DevServer {
	ds := s.devServer(name)
	ds.Spec.Lifecycle = &v1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: timeout}}
	return ds
}

// stopped waits until the server has a phase in which it has no pod, and checks the
// reason.
func (b *server) stopped(phase v1.DevServerPhase, reason string) *v1.DevServer {
	b.Helper()
	ds := await(b.site, b.ds, string(phase), func(d *v1.DevServer) bool { return d.Status.Phase == phase })
	if !hasReason(ds, v1.ConditionReady, reason) {
		b.Errorf("%s is %s without the reason %s: %+v", ds.Name, phase, reason, ds.Status.Conditions)
	}
	b.absent(b.pod())
	return ds
}

// micro formats a time for a Lease.
func micro(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// TestIdleServerIsSuspendedAndWakes: an idle server is suspended even if a silent
// session is open. devctl start resumes it by renewing its Lease, and it has the
// same home, key and port.
func TestIdleServerIsSuspendedAndWakes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.suspendedWhenIdle("server", soon))
	b.sh("echo kept > ~/file")
	port := b.ds.Status.SSH.Port
	b.session().expect("$ ")

	ds := b.stopped(v1.PhaseSuspended, v1.ReasonIdle)
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
		s.Errorf("the port changed from %d to %d", port, b.ds.Status.SSH.Port)
	}
}

// TestActivityKeepsAServerAwake: every kind of activity prevents that a server is
// suspended.
func TestActivityKeepsAServerAwake(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, work := range map[string]func(*server){
		"cpu": func(b *server) {
			b.sh(`nohup sh -c 'while :; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.2; done' >/dev/null 2>&1 </dev/null &`)
		},
		"output": func(b *server) { b.session("while :; do date; sleep 1; done").expect(":") },
		// Input on a terminal that is not an SSH session's, such as an editor's.
		"typing": func(b *server) {
			b.sh(`nohup sh -c 'while :; do echo ls; sleep 9; done | script -qc "cat >/dev/null" /dev/null' >/dev/null 2>&1 </dev/null &`)
		},
		"keep": func(b *server) { b.sh("nohup devserver-agent keep -- sleep 1000 >/dev/null 2>&1 </dev/null &") },
		"lease": func(b *server) {
			lease := &coordinationv1.Lease{ObjectMeta: b.named(b.ds.Name)}
			await(b.site, lease, "existed", func(*coordinationv1.Lease) bool { return true })
			b.kubectl("", "patch", "lease", b.ds.Name, "--type=merge", "--patch",
				fmt.Sprintf(`{"spec":{"acquireTime":%q,"leaseDurationSeconds":3600}}`, micro(time.Now())))
		},
	} {
		s.sub(name, func(s *site) {
			idle := s.suspendedWhenIdle("idle-"+name, soon)
			active := s.suspendedWhenIdle("active-"+name, soon)
			// On a busy machine, a process may get little CPU time.
			active.Spec.Lifecycle.Activity = &v1.ActivityThresholds{CPUMillis: 10}
			b := s.start(active)
			work(b)
			before := b.podUID()
			// By the time another, idle server is suspended, which started later, this
			// one would have been suspended too.
			s.start(idle).stopped(v1.PhaseSuspended, v1.ReasonIdle)
			s.get(b.ds)
			if b.ds.Status.Phase != v1.PhaseRunning || b.podUID() != before {
				s.Errorf("an active server is %s: %s", b.ds.Status.Phase, b.ds.Status.Activity)
			}
		})
	}
}

// TestTypingAfterAWarning: the terminal shows a warning before the server is
// suspended. Typing a key keeps the server awake, until the next warning.
func TestTypingAfterAWarning(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.suspendedWhenIdle("server", soon))
	before := b.podUID()
	await(s, b.ds, "watched", func(d *v1.DevServer) bool { return d.Status.Activity != "" })
	c := b.session()
	c.expect("It is suspended after ") // The notice at login.
	c.expect("suspended at ")
	c.keys("\r")
	c.expect("suspended at ")
	if b.podUID() != before {
		s.Error("the server was stopped between the two warnings")
	}
	b.stopped(v1.PhaseSuspended, v1.ReasonIdle)
}

// TestServerWithoutImageIsSuspended: a server that cannot start is suspended like an
// idle one, and reports why it did not start. It can be resumed with another image.
func TestServerWithoutImageIsSuspended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.suspendedWhenIdle("server", soon)
	ds.Spec.Image = "localhost:1/no-such-image:1.0" // Nothing listens there.
	s.create(ds)
	ds = s.notReady(ds, v1.PhaseFailed, v1.ReasonImagePullFailed)
	await(s, ds, "idle", func(d *v1.DevServer) bool {
		return strings.Contains(d.Status.Activity, v1.ReasonImagePullFailed)
	})
	await(s, ds, "Suspended", func(d *v1.DevServer) bool { return d.Status.Phase == v1.PhaseSuspended })
	s.notReady(ds, v1.PhaseSuspended, v1.ReasonIdle, v1.ReasonImagePullFailed)
	s.absent(&corev1.Pod{ObjectMeta: s.named("server-0")})
	edit(s, ds, func(d *v1.DevServer) { d.Spec.Image = "" })
	s.devctl("start", "server", "--wait")
	s.running(ds).want("whoami", "dev")
}

// TestSuspendAndResume: processes get SIGTERM and time to end.
func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	b.sh(`nohup sh -c 'trap "echo saved > ~/file; exit" TERM; while :; do sleep 0.1; done' >/dev/null 2>&1 </dev/null &`)
	s.devctl("stop", "server", "--wait")
	b.absent(b.pod())
	b.stopped(v1.PhaseSuspended, v1.ReasonSuspended)
	s.devctl("start", "server", "--wait")
	s.running(b.ds).want("cat ~/file", "saved")
}

// TestExpiry: a server stops at the end of its time to live even if it is active, and
// starts again when its owner edits the DevServer.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.Lifecycle = &v1.LifecycleSpec{TimeToLive: &metav1.Duration{Duration: soon}}
	b := s.start(ds)
	b.sh("echo kept > ~/file")
	c := b.session("while :; do date; sleep 1; done")
	c.expect("time to live")
	b.stopped(v1.PhaseExpired, v1.ReasonExpired)
	now := metav1.Now()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.RestartedAt, d.Spec.Lifecycle = &now, nil })
	s.running(b.ds).want("cat ~/file", "kept")
}
