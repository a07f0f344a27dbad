package gateway

import (
	"errors"
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

// suspended is a DevServer that sleeps for want of work.
func suspended(address string, keys ...ssh.Signer) *devserverv1.DevServer {
	ds := running(address, "", keys...)
	ds.Status.Phase = devserverv1.PhaseSuspended
	notReady(ds, devserverv1.ReasonIdle, "The server was without work.")
	return ds
}

func notReady(ds *devserverv1.DevServer, reason, message string) {
	ds.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
}

func TestConnectingWakes(t *testing.T) {
	for name, asleep := range map[string]func(*devserverv1.DevServer){
		"Idle":       func(*devserverv1.DevServer) {},
		"Scheduled":  func(ds *devserverv1.DevServer) { notReady(ds, devserverv1.ReasonScheduled, "It is night.") },
		"Suspending": func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseSuspending },
	} {
		t.Run(name, func(t *testing.T) {
			w, alice := newWorld(t), sshserver.NewKey(t)
			w.echo(t, "10.0.0.1")
			ds := suspended("a.team", alice)
			asleep(ds)
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

// The box shows that it sleeps until the last of them has come.
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

func TestWhatCannotWakeSaysWhy(t *testing.T) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	cases := map[string]struct {
		reason string
		change func(*devserverv1.DevServer)
		api    error
		want   string
		edits  int
	}{
		"Owner": {
			reason: "what its owner stopped, its owner starts",
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
			reason: "nothing but an edit mends it",
			change: func(ds *devserverv1.DevServer) {
				ds.Status.Phase = devserverv1.PhasePending
				notReady(ds, devserverv1.ReasonInvalidKey, "the key is cut off")
			},
			want: "DevServer a.team is Pending: the key is cut off",
		},
		"Deleted": {
			reason: "it does not come back",
			change: func(ds *devserverv1.DevServer) { ds.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} },
			want:   "DevServer a.team is Terminating: The server was without work.",
		},
		"Quota": {
			reason: "it goes on when somebody else leaves, and the person should know meanwhile",
			change: func(ds *devserverv1.DevServer) {
				ds.Status.Phase = devserverv1.PhasePending
				notReady(ds, devserverv1.ReasonQuotaExceeded, "2 of 2 GPUs are used.")
			},
			want: "DevServer a.team is Pending: 2 of 2 GPUs are used. It is still so after 0s, and goes on by itself: connect again later",
		},
		"NoLease":   {reason: "the operator makes it anew", api: apierrors.NewNotFound(leases, "a"), edits: 1, want: "waking DevServer a.team: its Lease is missing, which the operator makes anew: try again in a minute"},
		"Forbidden": {reason: "the admin must know", api: apierrors.NewForbidden(leases, "a", nil), edits: 1, want: "waking DevServer a.team: the cluster does not let the gateway do that: tell its admin"},
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

// A wake that failed is tried again by the next client, one that went well is
// not for a while.
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
			reason: "nobody waits for ever",
			end:    func(*world, ssh.Signer) {},
			want:   "DevServer a.team is Suspended: The server was without work. It is still so after 50ms, and goes on by itself: connect again later",
		},
		"Revoked": {
			reason: "the key opens it no more",
			end:    func(w *world, _ ssh.Signer) { w.put(suspended("a.team")) },
			want:   "there is no DevServer a.team that your key opens",
		},
		"Deleted": {
			reason: "there is nothing to wait for",
			end:    func(w *world, alice ssh.Signer) { boxHandler(w.server.directory).OnDelete(suspended("a.team", alice)) },
			want:   "there is no DevServer a.team that your key opens",
		},
		"BeingDeleted": {
			reason: "it does not come back",
			end: func(w *world, alice ssh.Signer) {
				ds := suspended("a.team", alice)
				ds.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
				w.put(ds)
			},
			want: "DevServer a.team is Terminating: The server was without work.",
		},
		"DeletedAndMadeAnew": {
			reason: "the new one is somebody else's",
			end: func(w *world, _ ssh.Signer) {
				ds := running("a.team", "10.0.0.1")
				ds.UID = "another"
				w.put(ds)
			},
			want: "there is no DevServer a.team that your key opens",
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
			w.put(running("b.team", "10.0.0.2", alice)) // so that the connection goes on
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
			if r := refusal(err); r == nil || r.Message != tc.want && r.Message != errRevoked.Error() {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}

// Who hangs up while waiting leaves nothing behind, and the box wakes.
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
		t.Errorf("%d boxes are waited for by nobody", n)
	}
}
