package devserver

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/capacity"
	"devserver.io/devserver/internal/desired"
)

// What is left of a DevServer's pod takes from its node what the whole pod does.
func TestStrippedPodTakesAsMuch(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	gi := func(n string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(n)}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: desired.Labels("box")}}
	pod.Spec.NodeName = "node"
	pod.Spec.Overhead = gi("1Gi")
	pod.Spec.InitContainers = []corev1.Container{
		{Name: "sidecar", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: gi("2Gi")}},
		{Name: desired.PrepareContainer, Resources: corev1.ResourceRequirements{Requests: gi("4Gi")}},
	}
	pod.Spec.Containers = []corev1.Container{
		{Name: "other", Resources: corev1.ResourceRequirements{Requests: gi("8Gi"), Limits: gi("9Gi")}},
		{Name: desired.BoxContainer, Resources: corev1.ResourceRequirements{Requests: gi("16Gi"), Limits: gi("32Gi")}},
	}
	pod.Spec.Volumes = []corev1.Volume{{Name: "home", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "home-box-0"}}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.BoxContainer, AllocatedResources: gi("20Gi")}}
	want, wantVolumes := capacity.Requests(pod), pod.Spec.Volumes

	equals := &equals{}
	for range 2 { // The cache may show an object to its transform again.
		if _, err := equals.stripPod(pod); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, capacity.Requests(pod)); diff != "" {
			t.Errorf("what is left takes another amount (-whole +stripped):\n%s", diff)
		}
		if limit := pod.Spec.Containers[0].Resources.Limits.Memory(); limit.String() != "32Gi" {
			t.Errorf("the box's memory limit is %s", limit)
		}
		if pod.Spec.NodeName != "node" || cmp.Diff(wantVolumes, pod.Spec.Volumes) != "" {
			t.Errorf("the node is %q, the volumes are %v", pod.Spec.NodeName, pod.Spec.Volumes)
		}
	}
}

// Equal pod specs are kept once; what differs between boxes stays theirs.
func TestEqualPodSpecsAreKeptOnce(t *testing.T) {
	set := func(box, image string) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: box, Labels: desired.Labels(box)}}
		s.Spec.Template.Labels = desired.Labels(box)
		s.Spec.Template.Spec.Containers = []corev1.Container{{Name: desired.BoxContainer, Image: image}}
		s.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "ssh", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: box + "-ssh"}}}}
		return s
	}
	equals := &equals{}
	strip := func(s *appsv1.StatefulSet) *corev1.PodSpec {
		t.Helper()
		whole := s.DeepCopy()
		if _, err := equals.stripSet(s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, s); diff != "" {
			t.Errorf("%s is not what it was (-was +is):\n%s", s.Name, diff)
		}
		return &s.Spec.Template.Spec
	}
	first, same, other := strip(set("a", "image:1")), strip(set("b", "image:1")), strip(set("c", "image:2"))
	if &first.Containers[0] != &same.Containers[0] {
		t.Error("two equal pod specs have memory of their own")
	}
	if &first.Containers[0] == &other.Containers[0] {
		t.Error("pod specs that differ share memory")
	}
}

// Equal amounts are kept once: those of homes of one size, in whatever object.
func TestEqualAmountsAreKeptOnce(t *testing.T) {
	equals := &equals{}
	claim := func(request, capacity string) *corev1.PersistentVolumeClaim {
		t.Helper()
		c := &corev1.PersistentVolumeClaim{}
		c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(request)}
		c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}
		set := &appsv1.StatefulSet{}
		set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{*c.DeepCopy()}
		if _, err := equals.stripClaim(c); err != nil {
			t.Fatal(err)
		}
		if _, err := equals.stripSet(set); err != nil {
			t.Fatal(err)
		}
		template := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests
		if !same(template, c.Spec.Resources.Requests) {
			t.Errorf("a claim of %s and its template have memory of their own", request)
		}
		if c.Spec.Resources.Requests.Storage().String() != request || c.Status.Capacity.Storage().String() != capacity {
			t.Errorf("a claim of %s with %s is now %v with %v", request, capacity, c.Spec.Resources.Requests, c.Status.Capacity)
		}
		return c
	}
	a, b, grown := claim("10Gi", "10Gi"), claim("10Gi", "11Gi"), claim("20Gi", "10Gi")
	if !same(a.Spec.Resources.Requests, b.Spec.Resources.Requests) || !same(a.Status.Capacity, grown.Status.Capacity) {
		t.Error("two equal amounts have memory of their own")
	}
}

// same tells whether two lists are one.
func same(a, b corev1.ResourceList) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
