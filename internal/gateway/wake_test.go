package gateway

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/sshserver"
)

// suspended is a DevServer that is suspended for being idle.
func suspended(address string, keys ...ssh.Signer) *devserverv1.DevServer {
	ds := running(address, "", keys...)
	ds.Status.Phase = devserverv1.PhaseSuspended
	notReady(ds, devserverv1.ReasonIdle, "The server was idle for its idle timeout.")
	return ds
}

func notReady(ds *devserverv1.DevServer, reason, message string) {
	ds.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
}

func TestConnectingWakes(t *testing.T) {
	for name, change := range map[string]func(*devserverv1.DevServer){
		"Idle":       func(*devserverv1.DevServer) {},
		"Scheduled":  func(ds *devserverv1.DevServer) { notReady(ds, devserverv1.ReasonScheduled, "It is night.") },
		"Suspending": func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseSuspending },
	} {
		t.Run(name, func(t *testing.T) {
			w, alice := newWorld(t), sshserver.NewKey(t)
			w.echo(t, "10.0.0.1")
			ds := suspended("a.team", alice)
			change(ds)
			w.put(ds)
			w.edited = func(types.NamespacedName) error {
				go func() {
					starting := running("a.team", "", alice)
					starting.Status.Phase = devserverv1.PhaseStarting
					w.put(starting)
					w.put(running("a.team", "10.0.0.1", alice))
				}()
				return nil
			}
			channel, err := open(w.mustLogin(t, alice), "a.team", 22)
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, channel, "awake")
			if diff := cmp.Diff([]string{"a.team [renewTime]"}, w.leaseEdits()); diff != "" {
				t.Errorf("edits of Leases (-want +got):\n%s", diff)
			}
		})
	}
}

// The server stays suspended until the last client has connected.
func TestAThousandClientsCauseOneWake(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(suspended("a.team", alice))
	const connections, channels = 10, 100
	var clients []*ssh.Client
	for range connections {
		clients = append(clients, w.mustLogin(t, alice))
	}
	var opened, all sync.WaitGroup
	for _, client := range clients {
		for range channels {
			opened.Add(1)
			all.Go(func() {
				opened.Done()
				if _, err := open(client, "a.team", 22); err != nil {
					t.Error(err)
				}
			})
		}
	}
	opened.Wait()
	w.log.await(t, "woken")
	w.put(running("a.team", "10.0.0.1", alice))
	all.Wait()
	if diff := cmp.Diff([]string{"a.team [renewTime]"}, w.leaseEdits()); diff != "" {
		t.Errorf("edits of Leases (-want +got):\n%s", diff)
	}
}

func TestRefusalsToWakeSayWhy(t *testing.T) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	cases := map[string]struct {
		reason string
		change func(*devserverv1.DevServer)
		api    error
		want   string
		edits  int
	}{
		"Owner": {
			reason: "only its owner can start it again",
			change: func(ds *devserverv1.DevServer) { notReady(ds, devserverv1.ReasonSuspended, "spec.suspend asks for it") },
			want:   "DevServer a.team is Suspended: spec.suspend asks for it",
		},
		"Expired": {
			reason: "only its owner can start it again",
			change: func(ds *devserverv1.DevServer) {
				ds.Status.Phase = devserverv1.PhaseExpired
				notReady(ds, devserverv1.ReasonExpired, "its time to live is over")
			},
			want: "DevServer a.team is Expired: its time to live is over",
		},
		"Key": {
			reason: "only an edit solves it",
			change: func(ds *devserverv1.DevServer) {
				ds.Status.Phase = devserverv1.PhasePending
				notReady(ds, devserverv1.ReasonInvalidKey, "the key is cut off")
			},
			want: "DevServer a.team is Pending: the key is cut off",
		},
		"Deleted": {
			reason: "it does not come back",
			change: func(ds *devserverv1.DevServer) { ds.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} },
			want:   "DevServer a.team is Terminating: The server was idle for its idle timeout.",
		},
		"Quota": {
			reason: "it starts when the quota allows it, and the user should know the cause",
			change: func(ds *devserverv1.DevServer) {
				ds.Status.Phase = devserverv1.PhasePending
				notReady(ds, devserverv1.ReasonQuotaExceeded, "2 of 2 GPUs are used.")
			},
			want: "DevServer a.team is Pending: 2 of 2 GPUs are used. The gateway gave up after 0s; the server will start when it can, so try again later",
		},
		"NoLease":   {reason: "the operator creates it", api: apierrors.NewNotFound(leases, "a"), edits: 1, want: "waking DevServer a.team: its Lease does not exist. The operator creates it: try again in a minute"},
		"Forbidden": {reason: "an admin has to allow it", api: apierrors.NewForbidden(leases, "a", nil), edits: 1, want: "waking DevServer a.team: the cluster does not allow the gateway to do that: ask an admin"},
		"Away":      {reason: "the API server does not answer", api: errors.New("connection refused"), edits: 1, want: "waking DevServer a.team: the cluster does not answer: try again"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, alice := newWorld(t), sshserver.NewKey(t)
			w.edited = func(types.NamespacedName) error { return tc.api }
			ds := suspended("a.team", alice)
			if tc.change != nil {
				tc.change(ds)
			}
			w.put(ds)
			_, err := open(w.mustLogin(t, alice), "a.team", 22)
			r := refusal(err)
			if r == nil || r.Message != tc.want || r.Reason != ssh.Prohibited {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
			if got := len(w.leaseEdits()); got != tc.edits {
				t.Errorf("%s: %d edits of the Lease, want %d", tc.reason, got, tc.edits)
			}
		})
	}
}

// The next client tries a failed wake again, but not one that succeeded a moment ago.
func TestAFailedWakeIsTriedAgain(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.edited = func(types.NamespacedName) error { return errors.New("away") }
	w.put(suspended("a.team", alice))
	client := w.mustLogin(t, alice)
	for range 2 {
		if _, err := open(client, "a.team", 22); refusal(err) == nil {
			t.Fatalf("got %v, want a refusal", err)
		}
	}
	if got := len(w.leaseEdits()); got != 2 {
		t.Errorf("%d edits of the Lease, want 2", got)
	}
}

func TestAWaitEnds(t *testing.T) {
	cases := map[string]struct {
		reason string
		end    func(*world, ssh.Signer)
		want   string
	}{
		"Timeout": {
			reason: "a wait is bounded",
			end:    func(*world, ssh.Signer) {},
			want:   "DevServer a.team is Suspended: The server was idle for its idle timeout. The gateway gave up after 50ms; the server will start when it can, so try again later",
		},
		"Revoked": {
			reason: "the key no longer opens it",
			end:    func(w *world, _ ssh.Signer) { w.put(suspended("a.team")) },
			want:   "DevServer a.team does not exist, or your key is not allowed to log in to it",
		},
		"Deleted": {
			reason: "there is nothing to wait for",
			end: func(w *world, alice ssh.Signer) {
				devServerHandler(w.server.directory).OnDelete(suspended("a.team", alice))
			},
			want: "DevServer a.team does not exist, or your key is not allowed to log in to it",
		},
		"BeingDeleted": {
			reason: "it does not come back",
			end: func(w *world, alice ssh.Signer) {
				ds := suspended("a.team", alice)
				ds.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
				w.put(ds)
			},
			want: "DevServer a.team is Terminating: The server was idle for its idle timeout.",
		},
		"DeletedAndCreatedAgain": {
			reason: "the new one has another owner",
			end: func(w *world, _ ssh.Signer) {
				ds := running("a.team", "10.0.0.1")
				ds.UID = "another"
				w.put(ds)
			},
			want: "DevServer a.team does not exist, or your key is not allowed to log in to it",
		},
		"StoppedByItsOwner": {
			reason: "the wake came too late",
			end: func(w *world, alice ssh.Signer) {
				ds := suspended("a.team", alice)
				notReady(ds, devserverv1.ReasonSuspended, "spec.suspend asks for it")
				w.put(ds)
			},
			want: "DevServer a.team is Suspended: spec.suspend asks for it",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(s *server) {
				if name == "Timeout" {
					s.patience.wake = 50 * time.Millisecond
				}
			})
			alice := sshserver.NewKey(t)
			w.put(suspended("a.team", alice))
			w.put(running("b.team", "10.0.0.2", alice)) // so that the connection continues
			refusals := make(chan error)
			client := w.mustLogin(t, alice)
			go func() {
				_, err := open(client, "a.team", 22)
				refusals <- err
			}()
			if name != "Timeout" {
				// Else the wait may be over before the API server has answered.
				w.log.await(t, "woken")
			}
			tc.end(w, alice)
			err := <-refusals
			if r := refusal(err); r == nil || (r.Message != tc.want && r.Message != errRevoked.Error()) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}

// A client that hangs up while it waits leaves nothing behind, and the server wakes.
func TestHangingUpWhileWaiting(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.put(suspended("a.team", alice))
	client := w.mustLogin(t, alice)
	go func() { _, _ = open(client, "a.team", 22) }()
	w.log.await(t, "woken")
	_ = client.Close()
	w.log.await(t, "refused")
	w.server.directory.mu.RLock()
	defer w.server.directory.mu.RUnlock()
	if n := len(w.server.directory.waiting); n != 0 {
		t.Errorf("%d servers are still waited for", n)
	}
}

// A server that nothing suspends has no Lease, and never will have one.
func TestKeepOfAServerWithoutALease(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.edited = func(types.NamespacedName) error {
		return apierrors.NewNotFound(schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}, "a")
	}
	w.put(running("a.team", "10.0.0.1", alice))
	session, err := w.mustLogin(t, alice).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	output, err := session.CombinedOutput("keep a.team 1h")
	const want = "gateway: DevServer a.team cannot be kept awake: it has no idle timeout, schedule or time to live, so nothing suspends it"
	if got := strings.TrimSpace(string(output)); got != want || err == nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}
