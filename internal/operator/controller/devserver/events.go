package devserver

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/status"
)

// controllerOf is the DevServer that controls an object. (The library's own
// handler asks, at each event anew, whether DevServers have namespaces.)
func controllerOf(_ context.Context, object client.Object) []reconcile.Request {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != "DevServer" {
		return nil
	}
	if gv, err := schema.ParseGroupVersion(owner.APIVersion); err != nil || gv.Group != devv1.GroupVersion.Group {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: owner.Name}}}
}

// urgent passes come before those of a crowd of new DevServers.
const urgent = 1

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// podHandler finds a pod's DevServer by label: the pod's own controller is the
// StatefulSet. A pod that becomes Ready, or ceases to be, is urgent: somebody
// waits to log in, and to say so is little work. Of one that is gone, departed is
// told.
func podHandler(departed func(types.NamespacedName, *corev1.Pod)) handler.EventHandler {
	add := func(q queue, pod client.Object, priority *int) {
		name := pod.GetLabels()[objects.LabelInstance]
		if name == "" {
			return
		}
		request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: name}}
		if pq, is := q.(priorityqueue.PriorityQueue[reconcile.Request]); is && priority != nil {
			pq.AddWithOpts(priorityqueue.AddOpts{Priority: priority}, request)
			return
		}
		q.Add(request)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { add(q, e.Object, nil) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if pod, is := e.Object.(*corev1.Pod); is {
				departed(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[objects.LabelInstance]}, pod)
			}
			add(q, e.Object, nil)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			before, okBefore := e.ObjectOld.(*corev1.Pod)
			after, okAfter := e.ObjectNew.(*corev1.Pod)
			if okBefore && okAfter && status.PodReady(before) != status.PodReady(after) {
				add(q, after, new(urgent))
				return
			}
			add(q, e.ObjectNew, nil)
		},
	}
}

// madeByUs passes all but the coming of an object that a pass made: the same
// pass has looked at it.
func madeByUs() predicate.Funcs {
	return predicate.Funcs{CreateFunc: func(event.CreateEvent) bool { return false }}
}

// setChanged passes what somebody did to a StatefulSet, and that its controller
// has seen the newest template. How many pods there are and are Ready, the pods
// themselves tell, and earlier.
func setChanged() predicate.Predicate {
	p := madeByUs()
	p.UpdateFunc = func(e event.UpdateEvent) bool {
		before, okBefore := e.ObjectOld.(*appsv1.StatefulSet)
		after, okAfter := e.ObjectNew.(*appsv1.StatefulSet)
		if !okBefore || !okAfter {
			return false
		}
		return before.Generation != after.Generation ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
			before.Status.UpdateRevision != after.Status.UpdateRevision ||
			!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
			!equality.Semantic.DeepEqual(before.Annotations, after.Annotations) ||
			!equality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences)
	}
	return p
}
