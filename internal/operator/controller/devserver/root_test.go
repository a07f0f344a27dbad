package devserver_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

func withRoot(f *devv1.DevServerFlavor) { f.Spec.Root = devv1.RootUserNamespace }

// If the namespace does not allow root, the condition has the command that allows it.
func TestRootRefused(t *testing.T) {
	w := newWorld(t)
	w.flavor(withRoot)
	w.create(w.devServer())
	w.settled()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	if users := set.Spec.Template.Spec.HostUsers; users == nil || *users {
		t.Errorf("hostUsers is %v, want false: root would be root of the node", users)
	}
	w.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "refused", Namespace: w.ns},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: w.ns, Name: "trainer", UID: set.UID},
		Reason:         "FailedCreate", Message: `pods "trainer-0" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities`, Type: corev1.EventTypeWarning,
	})
	w.clock.SetTime(set.CreationTimestamp.Add(time.Minute))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonAdmissionRefused, "kubectl label namespace "+w.ns)
}

// Only an event shows that the node cannot create the pod's sandbox, for example
// because it does not support user namespaces.
func TestNoSandbox(t *testing.T) {
	w := newWorld(t)
	w.flavor(withRoot)
	w.create(w.devServer())
	w.settled()
	pod := w.startPod()
	pod.Status.Phase = corev1.PodPending
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse}}
	if err := w.c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "sandbox", Namespace: w.ns},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: w.ns, Name: pod.Name, UID: pod.UID},
		Reason:         "FailedCreatePodSandBox", Message: "Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces", Type: corev1.EventTypeWarning,
	})
	w.clock.SetTime(pod.CreationTimestamp.Add(time.Minute))
	w.reconcile()
	// The Secret may have been deleted, because the pod does not get past its volumes. It
	// is the only object that is applied again.
	if _, writes := w.reconcile(); len(writes) != 1 {
		t.Errorf("the second pass writes %v, want only the Secret", writes)
	}
	w.wantCondition(w.read(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonContainerConfigError, "runtime does not support user namespaces")
}
