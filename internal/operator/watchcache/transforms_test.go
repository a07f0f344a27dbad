package watchcache

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/desired"
)

// A DevServer's pod counts on its node with the same amounts after it was stripped.
func TestStrippedPodCountsTheSame(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	gi := func(n string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(n)}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: objects.Labels("server")}}
	pod.Spec.NodeName = "node"
	pod.Spec.Overhead = gi("1Gi")
	pod.Spec.InitContainers = []corev1.Container{
		{Name: "sidecar", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: gi("2Gi")}},
		{Name: objects.PrepareContainer, Resources: corev1.ResourceRequirements{Requests: gi("4Gi")}},
	}
	pod.Spec.Containers = []corev1.Container{
		{Name: "other", Resources: corev1.ResourceRequirements{Requests: gi("8Gi"), Limits: gi("9Gi")}},
		{Name: objects.ServerContainer, Resources: corev1.ResourceRequirements{Requests: gi("16Gi"), Limits: gi("32Gi")}},
		{Name: objects.SSHContainer, Image: "agent:1", Resources: corev1.ResourceRequirements{Requests: gi("1Gi")}},
	}
	pod.Spec.Volumes = []corev1.Volume{{Name: "home", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "home-server-0"}}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: objects.ServerContainer, AllocatedResources: gi("20Gi")}}
	want, wantVolumes := capacity.Requests(pod), pod.Spec.Volumes

	for range 2 { // The cache may transform an object again.
		stripPod(pod)
		if diff := cmp.Diff(want, capacity.Requests(pod)); diff != "" {
			t.Errorf("the stripped pod requests other amounts (-whole +stripped):\n%s", diff)
		}
		if limit := pod.Spec.Containers[0].Resources.Limits.Memory(); limit.String() != "32Gi" {
			t.Errorf("the server's memory limit is %s", limit)
		}
		if c := pod.Spec.Containers; len(c) != 2 || c[1].Name != objects.SSHContainer || c[1].Image != "agent:1" {
			t.Errorf("the containers are %v, want the server's and that of SSH with its image", c)
		}
		if pod.Spec.NodeName != "node" || cmp.Diff(wantVolumes, pod.Spec.Volumes) != "" {
			t.Errorf("node %q, volumes %v", pod.Spec.NodeName, pod.Spec.Volumes)
		}
	}
}

// While a pod is being resized, it counts with the larger of what it has and what
// it requests.
func TestStrippedPodWhileResized(t *testing.T) {
	pod := func(has, condition string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: objects.Labels("server")}}
		amount := func(n string) corev1.ResourceList {
			return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(n)}
		}
		p.Spec.Containers = []corev1.Container{{Name: objects.ServerContainer, Resources: corev1.ResourceRequirements{Requests: amount("10Gi")}}}
		if has != "" {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: objects.ServerContainer, AllocatedResources: amount(has)}}
		}
		if condition != "" {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Reason: condition}}
		}
		return p
	}
	for _, tc := range []struct{ has, condition, want string }{
		{"", "", "10Gi"},
		{"20Gi", "", "20Gi"},
		{"5Gi", "", "10Gi"},
		{"5Gi", corev1.PodReasonInfeasible, "5Gi"},
		{"5Gi", corev1.PodReasonDeferred, "10Gi"},
	} {
		p := pod(tc.has, tc.condition)
		stripPod(p)
		if got := p.Spec.Containers[0].Resources.Requests.Memory().String(); got != tc.want {
			t.Errorf("a pod that has %q, with the resize %q, requests %s, want %s", tc.has, tc.condition, got, tc.want)
		}
	}
}

// A DevServer's pod keeps the labels and annotations that are read.
func TestStrippedPodLabels(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: objects.Labels("server"), Annotations: desired.AutoscalerAnnotations(true)}}
	pod.Labels[appsv1.StatefulSetRevisionLabel] = "1"
	pod.Annotations["devserver.io/x"], pod.Annotations["example.com/y"] = "x", "y"
	stripPod(pod)
	wantLabels := map[string]string{objects.LabelManagedBy: objects.ManagedBy, objects.LabelInstance: "server", appsv1.StatefulSetRevisionLabel: "1"}
	if diff := cmp.Diff(wantLabels, pod.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	wantAnnotations := desired.AutoscalerAnnotations(true)
	wantAnnotations["devserver.io/x"] = "x"
	if diff := cmp.Diff(wantAnnotations, pod.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// No transform keeps managed fields, and none fails on the tombstone of an object
// that was deleted while the watch was interrupted.
func TestTransforms(t *testing.T) {
	for kind, options := range Objects() {
		if options.Transform == nil {
			continue
		}
		object := kind.DeepCopyObject().(client.Object)
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "somebody"}})
		if _, err := options.Transform(object); err != nil || object.GetManagedFields() != nil {
			t.Errorf("%T: error %v, managed fields %v", kind, err, object.GetManagedFields())
		}
		tombstone := toolscache.DeletedFinalStateUnknown{Key: "a/b"}
		if got, err := options.Transform(tombstone); err != nil || got != tombstone {
			t.Errorf("%T: a tombstone becomes %v, error %v", kind, got, err)
		}
	}
}

// The cache keeps what the operator reads of a quota. For the operator's own quotas, that
// includes what it would apply, and which resources are counted. The amounts in use change
// with every pod, so the cache drops them.
func TestStrippedQuota(t *testing.T) {
	amount := func(n int64, names ...corev1.ResourceName) corev1.ResourceList {
		list := corev1.ResourceList{}
		for _, name := range names {
			list[name] = *resource.NewQuantity(n, resource.DecimalSI)
		}
		return list
	}
	scopes := []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotTerminating}
	all := []corev1.ResourceName{corev1.ResourcePods, corev1.ResourceLimitsCPU}
	for name, tc := range map[string]struct {
		labels     map[string]string
		hard, used corev1.ResourceList
	}{
		"its own":    {objects.Labels("alice"), amount(8, all...), amount(0, all...)},
		"an admin's": {map[string]string{"team": "a"}, amount(8, corev1.ResourceLimitsCPU), corev1.ResourceList{}},
	} {
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{
			Labels: tc.labels, Annotations: map[string]string{"devserver.io/desired-hash": "1", corev1.LastAppliedConfigAnnotation: "{}"},
		}}
		want := quota.DeepCopy()
		want.Annotations = map[string]string{"devserver.io/desired-hash": "1"}
		want.Spec = corev1.ResourceQuotaSpec{Hard: tc.hard, Scopes: scopes}
		want.Status.Used = tc.used
		quota.Spec = corev1.ResourceQuotaSpec{Hard: amount(8, all...), Scopes: scopes}
		quota.Status = corev1.ResourceQuotaStatus{Hard: amount(8, all...), Used: amount(3, all...)}
		for range 2 { // The cache may transform an object again.
			stripQuota(quota)
			if diff := cmp.Diff(want, quota); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// The operator compares the whole spec of a StatefulSet with what it would apply.
func TestStrippedStatefulSetKeepsItsSpec(t *testing.T) {
	set := &appsv1.StatefulSet{}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: objects.ServerContainer, Image: "example.com/image:1"}}
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdateRevision: "b", CurrentRevision: "a", ReadyReplicas: 1}
	want := set.DeepCopy()
	want.Status = appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdateRevision: "b"}
	stripStatefulSet(set)
	if diff := cmp.Diff(want, set); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
