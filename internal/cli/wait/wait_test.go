package wait

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
)

// fakeCluster is a cluster with objects, whose reads of a single DevServer are
// answered by get: the state before the watch begins.
func fakeCluster(get func(*devserverv1.DevServer), funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	name := func(o client.Object) []string { return []string{o.GetName()} }
	funcs.Get = func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
		if ds, ok := o.(*devserverv1.DevServer); ok {
			get(ds)
		}
		return nil
	}
	return fakeClient{fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).
		WithIndex(&devserverv1.DevServer{}, "metadata.name", name).
		WithIndex(&corev1.Pod{}, "metadata.name", name).
		WithIndex(&corev1.PersistentVolumeClaim{}, "metadata.name", name).
		WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string {
			return []string{o.(*corev1.Event).InvolvedObject.Name}
		}).
		WithInterceptorFuncs(funcs).Build()}
}

// fakeClient says what the interceptor hides of the fake client: that it cannot
// send the initial objects through a watch.
type fakeClient struct{ client.WithWatch }

func (fakeClient) IsWatchListSemanticsUnSupported() bool { return true }

func TestDeletedBeforeTheWatchBegins(t *testing.T) {
	c := fakeCluster(func(ds *devserverv1.DevServer) { starting().DeepCopyInto(ds) }, interceptor.Funcs{})
	err := Run(t.Context(), c, Options{Namespace: "team", Name: "bot", Timeout: time.Hour}, genericiooptions.NewTestIOStreamsDiscard())
	if exit.Code(err) != exit.NotFound {
		t.Errorf("got %v, want that it was deleted", err)
	}
}

func TestRunningIsKnownWithoutTheRightToPods(t *testing.T) {
	ds := server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "SSH answers.")
	ds.Status.SSH = &devserverv1.SSHStatus{Command: "ssh dev@bot"}
	forbidden := apierrors.NewForbidden(corev1.Resource("pods"), "", nil)
	c := fakeCluster(func(got *devserverv1.DevServer) { starting().DeepCopyInto(got) }, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*devserverv1.DevServerList); !ok {
				return forbidden
			}
			return c.List(ctx, list, o...)
		},
	}, ds)
	var out bytes.Buffer
	err := Run(t.Context(), c, Options{Namespace: "team", Name: "bot", Timeout: time.Hour}, genericiooptions.IOStreams{Out: &out, ErrOut: new(bytes.Buffer)})
	if err != nil || out.String() != "ssh dev@bot\n" {
		t.Errorf("got %q and %v, want the ssh command", out.String(), err)
	}
}

func TestWithoutTheRightToWatchItSaysSo(t *testing.T) {
	c := fakeCluster(func(ds *devserverv1.DevServer) { starting().DeepCopyInto(ds) }, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewForbidden(devserverv1.GroupVersion.WithResource("devservers").GroupResource(), "bot", nil)
		},
	})
	err := Run(t.Context(), c, Options{Namespace: "team", Name: "bot", Timeout: time.Hour}, genericiooptions.NewTestIOStreamsDiscard())
	if exit.Code(err) != exit.Refused || !strings.Contains(err.Error(), "ask the cluster's admin") {
		t.Errorf("got %v (exit code %d), want a refusal that says whom to ask", err, exit.Code(err))
	}
}

func TestWokenServerIsNotSaidToSleep(t *testing.T) {
	suspended := func(phase devserverv1.DevServerPhase, reason string) *devserverv1.DevServer {
		return server(phase, reason, "It is suspended.")
	}
	cases := map[string]struct {
		reason string
		seen   []*devserverv1.DevServer
		code   int
	}{
		"Woken":          {"the operator has not seen yet that its Lease was renewed", []*devserverv1.DevServer{suspended(devserverv1.PhaseSuspending, devserverv1.ReasonIdle), suspended(devserverv1.PhaseSuspended, devserverv1.ReasonScheduled)}, exit.OK},
		"Suspended":      {"its owner suspended it again", []*devserverv1.DevServer{suspended(devserverv1.PhaseSuspended, devserverv1.ReasonSuspended)}, exit.Refused},
		"Expired":        {"it expired again", []*devserverv1.DevServer{suspended(devserverv1.PhaseExpired, devserverv1.ReasonExpired)}, exit.Refused},
		"SuspendedAgain": {"it ran in between", []*devserverv1.DevServer{starting(), suspended(devserverv1.PhaseSuspended, devserverv1.ReasonIdle)}, exit.Refused},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := &waiter{
				Options:  Options{Name: "bot", Woken: true},
				watcher:  &watcher{namespace: "team", name: "bot", complete: yes, podsComplete: yes},
				progress: newProgress(time.Now()),
			}
			w.devServers, w.pods, w.claims, w.events = stores()
			w.seen.devServer = tc.seen[0]
			var err error
			for _, ds := range tc.seen {
				if err := w.devServers.Add(ds); err != nil {
					t.Fatal(err)
				}
				_, _, err = w.look(time.Now())
			}
			if exit.Code(err) != tc.code {
				t.Errorf("%s: got %v, want exit code %d", tc.reason, err, tc.code)
			}
			if s, ok := w.progress.current(); tc.code == exit.OK && (!ok || s.state != active || s.detail != "waiting for the operator") {
				t.Errorf("%s: it is at %+v", tc.reason, s)
			}
		})
	}
}

func TestOldNewsIsNoNews(t *testing.T) {
	w := &waiter{
		Options:  Options{Name: "bot"},
		watcher:  &watcher{namespace: "team", name: "bot", complete: yes, podsComplete: yes},
		progress: newProgress(time.Now()),
	}
	w.devServers, w.pods, w.claims, w.events = stores()
	// It was suspended, and has just been resumed.
	before := server(devserverv1.PhaseSuspended, devserverv1.ReasonSuspended, "spec.suspend asks for it.")
	w.seen.devServer = before.DeepCopy()
	w.seen.devServer.Generation++
	if err := w.devServers.Add(before); err != nil {
		t.Fatal(err)
	}
	if _, over, err := w.look(time.Now()); over || err != nil {
		t.Errorf("it gives up on a state from before it was asked to run: %v", err)
	}
}

// A wait that took it for deleted would end with an error, or too early.
func TestWhatArrivesMeanwhileIsNotTakenForGone(t *testing.T) {
	w := &watcher{namespace: "team", name: "bot"}
	w.devServers, w.pods, w.claims, w.events = stores()
	// The lists come just when it is asked for whether they are there.
	w.complete = func() bool { return w.devServers.Add(starting()) == nil }
	w.podsComplete = func() bool { return w.pods.Add(pod("node-7")) == nil }
	if o := w.observed(); o.complete && o.devServer == nil || o.podsComplete && o.pod == nil {
		t.Errorf("an object that exists is reported missing: %+v", o)
	}
}

func yes() bool { return true }

func stores() (devServers, pods, claims, events cache.Store) {
	key := cache.MetaNamespaceKeyFunc
	return cache.NewStore(key), cache.NewStore(key), cache.NewStore(key), cache.NewStore(key)
}

func TestThePodThatGoesIsNotTheOneToWaitFor(t *testing.T) {
	before, after := metav1.NewTime(time.Unix(1000, 0)), metav1.NewTime(time.Unix(1005, 0))
	old := server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "SSH answers.")
	old.Status.StartedAt = &before
	w := &waiter{
		Options:  Options{Name: "bot", Replaced: &before},
		watcher:  &watcher{namespace: "team", name: "bot", complete: yes, podsComplete: yes},
		progress: newProgress(time.Now()),
	}
	w.devServers, w.pods, w.claims, w.events = stores()
	oldPod := pod("node-7")
	oldPod.Status.StartTime = &before
	w.seen.devServer = old
	if err := errors.Join(w.devServers.Add(old), w.pods.Add(oldPod)); err != nil {
		t.Fatal(err)
	}
	if passed, over, err := w.look(time.Now()); over || err != nil || len(passed) > 0 {
		t.Errorf("while the old one answers: passed %+v, over %v, %v", passed, over, err)
	}
	leaving := server(devserverv1.PhaseStarting, devserverv1.ReasonRestarting, "It is being restarted.")
	leaving.Status.StartedAt = &before
	if err := w.devServers.Update(leaving); err != nil {
		t.Fatal(err)
	}
	if _, over, err := w.look(time.Now()); over || err != nil || w.progress.stages[1].detail != "waiting for the old processes to end" {
		t.Errorf("while the old one ends: over %v, %v, at %+v", over, err, w.progress.stages)
	}
	fresh := server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "SSH answers.")
	fresh.Status.StartedAt = &after
	if err := w.devServers.Update(fresh); err != nil {
		t.Fatal(err)
	}
	if _, over, err := w.look(time.Now()); !over || err != nil {
		t.Errorf("the new one answers: over %v, %v", over, err)
	}
}

func TestGivesUpOnWhatTakesOthers(t *testing.T) {
	for reason, want := range map[string]bool{devserverv1.ReasonQuotaExceeded: true, devserverv1.ReasonUnschedulable: false} {
		w := &waiter{
			Options:  Options{Name: "bot", GiveUpOn: []string{devserverv1.ReasonQuotaExceeded}},
			watcher:  &watcher{namespace: "team", name: "bot", complete: yes, podsComplete: yes},
			progress: newProgress(time.Now()),
		}
		w.devServers, w.pods, w.claims, w.events = stores()
		ds := server(devserverv1.PhasePending, reason, "There is no room.")
		w.seen.devServer = ds
		if err := w.devServers.Add(ds); err != nil {
			t.Fatal(err)
		}
		if _, over, err := w.look(time.Now()); over != want || (exit.Code(err) == exit.Refused) != want {
			t.Errorf("%s: over %v, %v, want %v", reason, over, err, want)
		}
	}
}
