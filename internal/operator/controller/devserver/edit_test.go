package devserver_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

// edit changes the DevServer as its owner would.
func (w *world) edit(change func(*devv1.DevServerSpec)) {
	w.t.Helper()
	d := w.read()
	change(&d.Spec)
	if err := w.c.Update(w.t.Context(), d); err != nil {
		w.t.Fatal(err)
	}
}

// updateRevision does what the StatefulSet controller does after the template changed.
func (w *world) updateRevision() {
	w.t.Helper()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	set.Status.ObservedGeneration, set.Status.UpdateRevision = set.Generation, "trainer-2"
	if err := w.c.Status().Update(w.t.Context(), set); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) podIsDeleted() bool {
	w.t.Helper()
	pod := &corev1.Pod{}
	err := w.c.Get(w.t.Context(), client.ObjectKey{Namespace: w.ns, Name: "trainer-0"}, pod)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return err != nil || !pod.DeletionTimestamp.IsZero()
}

// An edit of the DevServer restarts the server, and an event reports why. The pod is
// deleted only once the StatefulSet controller has seen the new template; before, it
// would create the old pod again.
func TestEditRestarts(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.startPod()
	w.settled()

	w.edit(func(s *devv1.DevServerSpec) { s.Image = "example.com/other:2" })
	w.reconcile()
	if w.podIsDeleted() {
		t.Fatal("the pod is deleted before the StatefulSet controller has seen the new template")
	}
	// A client that waits for the edit must not take the old pod for the new one.
	w.wantCondition(w.read(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonRestarting, "spec.image")
	w.updateRevision()
	w.reconcile()
	if !w.podIsDeleted() {
		t.Fatal("the pod is not restarted")
	}
	select {
	case event := <-w.events.Events:
		if !strings.Contains(event, devv1.ReasonRestarting) || !strings.Contains(event, "spec.image changed") {
			t.Errorf("the event is %q", event)
		}
	default:
		t.Error("no event")
	}
	w.reconcile()
	w.wantCondition(w.read(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonRestarting, "spec.image")
	if len(w.events.Events) > 0 {
		t.Errorf("a second event for one restart: %s", <-w.events.Events)
	}
}

// Changes of the keys, the Service, the home's size and its retention policy do not
// restart the server.
func TestEditsWithoutRestart(t *testing.T) {
	for name, change := range map[string]func(*devv1.DevServerSpec){
		"keys":      func(s *devv1.DevServerSpec) { s.SSH.PublicKeys = []string{otherKey} },
		"Service":   func(s *devv1.DevServerSpec) { s.SSH.Service.Type = devv1.SSHServiceClusterIP },
		"home size": func(s *devv1.DevServerSpec) { s.PersistentHomeSize.Add(s.PersistentHomeSize) },
		"retention": func(s *devv1.DevServerSpec) { s.Home = &devv1.HomeSpec{RetentionPolicy: devv1.HomeDelete} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor()
			w.create(w.devServer())
			w.settled()
			w.startPod()
			w.settled()
			before := &appsv1.StatefulSet{}
			w.get(before, "trainer")
			w.edit(change)
			d := w.settled()
			after := &appsv1.StatefulSet{}
			w.get(after, "trainer")
			if before.Generation != after.Generation || w.podIsDeleted() {
				t.Error("the edit changes the pod")
			}
			w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionFalse, devv1.ReasonUpToDate, "")
		})
	}
}

// A bad edit and its rollback change nothing, and the server keeps running.
func TestBadEditAndRollback(t *testing.T) {
	w := newWorld(t)
	f := w.flavor()
	w.create(w.devServer())
	w.settled()
	w.startPod()
	before := w.settled()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor = "nonesuch" })
	d := w.settled()
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, "nonesuch")
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionTrue, devv1.ReasonAnswering, "")
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor = f.Name })
	d = w.settled()
	again := &appsv1.StatefulSet{}
	w.get(again, "trainer")
	if set.Generation != again.Generation || w.podIsDeleted() {
		t.Error("after the rollback, the StatefulSet or the pod has changed")
	}
	for _, c := range before.Status.Conditions {
		w.wantCondition(d, c.Type, c.Status, c.Reason, c.Message)
	}
}

func TestRestartedAt(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.startPod()
	w.settled()
	w.edit(func(s *devv1.DevServerSpec) {
		at := metav1.NewTime(w.clock.Now())
		s.RestartedAt = &at
	})
	w.reconcile()
	w.updateRevision()
	w.reconcile()
	if !w.podIsDeleted() {
		t.Error("the pod is not restarted")
	}
}

// An annotation of the pod records the settings from which it was created.
func TestPodRecordsSettings(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	if w.startPod().Annotations[desired.AnnotationSettings] == "" {
		t.Errorf("the pod has no annotation %s", desired.AnnotationSettings)
	}
}
