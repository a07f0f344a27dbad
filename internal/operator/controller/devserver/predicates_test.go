package devserver

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/watchcache"
)

func TestStatefulSetChanged(t *testing.T) {
	now := metav1.Now()
	for name, tc := range map[string]struct {
		edit func(*appsv1.StatefulSet)
		want bool
	}{
		"the number of Ready pods": {func(s *appsv1.StatefulSet) { s.Status.ReadyReplicas, s.ResourceVersion = 1, "2" }, false},
		"its spec":                 {func(s *appsv1.StatefulSet) { s.Generation = 2 }, true},
		"a label":                  {func(s *appsv1.StatefulSet) { s.Labels = map[string]string{"a": "b"} }, true},
		"an annotation":            {func(s *appsv1.StatefulSet) { s.Annotations = map[string]string{"a": "b"} }, true},
		"its owner":                {func(s *appsv1.StatefulSet) { s.OwnerReferences = nil }, true},
		"its deletion":             {func(s *appsv1.StatefulSet) { s.DeletionTimestamp = &now }, true},
		"its update revision":      {func(s *appsv1.StatefulSet) { s.Status.UpdateRevision = "2" }, true},
		"its observed generation":  {func(s *appsv1.StatefulSet) { s.Status.ObservedGeneration = 1 }, true},
	} {
		before := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Generation: 1, OwnerReferences: []metav1.OwnerReference{{Name: "trainer"}}}}
		after := before.DeepCopy()
		tc.edit(after)
		if got := statefulSetChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// A pod that starts or stops using a claim leads to no pass; a resize does.
func TestClaimChanged(t *testing.T) {
	cached := func(edit func(*corev1.PersistentVolumeClaim)) client.Object {
		claim := &corev1.PersistentVolumeClaim{}
		claim.Status.Phase = corev1.ClaimBound
		edit(claim)
		for kind, options := range watchcache.Objects() {
			if _, ok := kind.(*corev1.PersistentVolumeClaim); ok {
				if _, err := options.Transform(claim); err != nil {
					t.Fatal(err)
				}
			}
		}
		return claim
	}
	condition := func(kind corev1.PersistentVolumeClaimConditionType) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) {
			c.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: kind, Status: corev1.ConditionTrue}}
		}
	}
	for kind, want := range map[corev1.PersistentVolumeClaimConditionType]bool{
		corev1.PersistentVolumeClaimUnused:                  false,
		corev1.PersistentVolumeClaimFileSystemResizePending: true,
	} {
		e := event.UpdateEvent{ObjectOld: cached(func(*corev1.PersistentVolumeClaim) {}), ObjectNew: cached(condition(kind))}
		if got := claimChanged().Update(e); got != want {
			t.Errorf("the condition %s: %t, want %t", kind, got, want)
		}
	}
}

// An edit of a quota passes. A change of the amounts in use, which comes with every pod,
// does not.
func TestQuotaChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*corev1.ResourceQuota)
		want bool
	}{
		"its use": {func(q *corev1.ResourceQuota) {
			q.Status.Used, q.ResourceVersion = corev1.ResourceList{"limits.cpu": resource.MustParse("1")}, "2"
		}, false},
		"its spec": {func(q *corev1.ResourceQuota) {
			q.Spec.Hard = corev1.ResourceList{"limits.cpu": resource.MustParse("8")}
		}, true},
	} {
		before := &corev1.ResourceQuota{}
		after := before.DeepCopy()
		tc.edit(after)
		if got := quotaChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// The DevServer of a pod that became Ready is reconciled before others that wait.
func TestReadyComesFirst(t *testing.T) {
	q := priorityqueue.New[reconcile.Request]("test", func(o *priorityqueue.Opts[reconcile.Request]) {
		o.RateLimiter = workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()
	})
	defer q.ShutDown()
	pod := func(name string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name + "-0", Labels: map[string]string{objects.LabelInstance: name}, ResourceVersion: string(ready)},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
		}
	}
	h := podHandler(func(types.NamespacedName, *corev1.Pod) {})
	h.Create(t.Context(), event.CreateEvent{Object: pod("first", corev1.ConditionFalse)}, q)
	h.Update(t.Context(), event.UpdateEvent{ObjectOld: pod("second", "a"), ObjectNew: pod("second", "b")}, q)
	h.Update(t.Context(), event.UpdateEvent{ObjectOld: pod("third", corev1.ConditionFalse), ObjectNew: pod("third", corev1.ConditionTrue)}, q)
	for _, want := range []string{"third", "first", "second"} {
		got, _ := q.Get()
		q.Done(got)
		if got.Name != want {
			t.Errorf("the next request is for %s, want %s", got.Name, want)
		}
	}
}
