package devserver

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
)

// What is left of a DevServer's pod takes from its node what the whole pod does.
func TestStrippedPodTakesAsMuch(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	gi := func(n string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(n)}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: objects.Labels("box")}}
	pod.Spec.NodeName = "node"
	pod.Spec.Overhead = gi("1Gi")
	pod.Spec.InitContainers = []corev1.Container{
		{Name: "sidecar", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: gi("2Gi")}},
		{Name: objects.PrepareContainer, Resources: corev1.ResourceRequirements{Requests: gi("4Gi")}},
	}
	pod.Spec.Containers = []corev1.Container{
		{Name: "other", Resources: corev1.ResourceRequirements{Requests: gi("8Gi"), Limits: gi("9Gi")}},
		{Name: objects.ServerContainer, Resources: corev1.ResourceRequirements{Requests: gi("16Gi"), Limits: gi("32Gi")}},
	}
	pod.Spec.Volumes = []corev1.Volume{{Name: "home", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "home-box-0"}}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: objects.ServerContainer, AllocatedResources: gi("20Gi")}}
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

// While a pod is resized, it takes what it has as well as what it is to have,
// whatever other pods with its spec take.
func TestStrippedPodsWithOneSpecTakeTheirOwn(t *testing.T) {
	pod := func(has, condition string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: objects.Labels("box")}}
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
	equals := &equals{}
	for _, tc := range []struct{ has, condition, want string }{
		{"", "", "10Gi"},
		{"20Gi", "", "20Gi"},
		{"5Gi", "", "10Gi"},
		{"5Gi", corev1.PodReasonInfeasible, "5Gi"},
		{"5Gi", corev1.PodReasonDeferred, "10Gi"},
	} {
		p := pod(tc.has, tc.condition)
		if _, err := equals.stripPod(p); err != nil {
			t.Fatal(err)
		}
		if got := p.Spec.Containers[0].Resources.Requests.Memory().String(); got != tc.want {
			t.Errorf("a pod that has %q, with the resize %q, takes %s, want %s", tc.has, tc.condition, got, tc.want)
		}
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

// The labels of a box's objects are kept once, and so are the words that all boxes
// have in theirs.
func TestEqualLabelsAreKeptOnce(t *testing.T) {
	equals := &equals{}
	labelled := func(box string) (*appsv1.StatefulSet, *corev1.Service, *corev1.Pod) {
		t.Helper()
		meta := func() metav1.ObjectMeta {
			return metav1.ObjectMeta{Labels: objects.Labels(box), Annotations: map[string]string{objects.AnnotationOwner: strings.Clone("alice"), "devserver.io/x": box}}
		}
		set := &appsv1.StatefulSet{ObjectMeta: meta()}
		set.Spec.Template.ObjectMeta = meta()
		set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: meta()}}
		set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{objects.LabelInstance: box}}
		service := &corev1.Service{ObjectMeta: meta()}
		service.Spec.Selector = map[string]string{objects.LabelInstance: box}
		pod := &corev1.Pod{ObjectMeta: meta()}
		pod.Labels[appsv1.StatefulSetRevisionLabel] = "1"
		for object, strip := range map[client.Object]func(any) (any, error){set: equals.stripSet, service: equals.stripService, pod: equals.stripPod} {
			object.SetManagedFields([]metav1.ManagedFieldsEntry{{}})
			want := object.DeepCopyObject().(client.Object)
			want.SetManagedFields(nil)
			if _, err := strip(object); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, object, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(corev1.Pod{}, "Labels", "Spec", "Status"), cmpopts.IgnoreFields(metav1.ObjectMeta{}, "GenerateName")); diff != "" {
				t.Errorf("%T is not what it was (-was +is):\n%s", object, diff)
			}
		}
		return set, service, pod
	}
	set, service, pod := labelled("a")
	for what, labels := range map[string]map[string]string{
		"the Service": service.Labels, "the pod template": set.Spec.Template.Labels, "the claim template": set.Spec.VolumeClaimTemplates[0].Labels,
	} {
		if !same(set.Labels, labels) {
			t.Errorf("the labels of %s have memory of their own", what)
		}
	}
	if !same(set.Spec.Selector.MatchLabels, service.Spec.Selector) || !same(set.Annotations, pod.Annotations) {
		t.Error("equal selectors or annotations have memory of their own")
	}
	if diff := cmp.Diff(map[string]string{objects.LabelManagedBy: objects.ManagedBy, objects.LabelInstance: "a", appsv1.StatefulSetRevisionLabel: "1"}, pod.Labels); diff != "" {
		t.Errorf("not what is asked of the pod's labels (-want +got):\n%s", diff)
	}
	other, _, _ := labelled("b")
	if same(set.Labels, other.Labels) || other.Labels[objects.LabelInstance] != "b" {
		t.Errorf("another box has the labels %v", other.Labels)
	}
	if a, b := set.Annotations[objects.AnnotationOwner], other.Annotations[objects.AnnotationOwner]; unsafe.StringData(a) != unsafe.StringData(b) {
		t.Error("one owner's name has memory of its own in each object")
	}
}

// What many DevServers say is kept once, and all that they say is kept.
func TestEqualWordsOfDevServersAreKeptOnce(t *testing.T) {
	equals := &equals{}
	stripped := func(name string) *devv1.DevServer {
		t.Helper()
		d := &devv1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": "a"}, ManagedFields: []metav1.ManagedFieldsEntry{{}}}}
		d.Spec.Owner, d.Spec.Flavor, d.Spec.SSH.PublicKey = strings.Clone("alice"), strings.Clone("gpu-large"), strings.Clone("ssh-ed25519 AAAA")
		d.Status.Conditions = []metav1.Condition{{Type: strings.Clone("Ready"), Status: metav1.ConditionTrue, Reason: strings.Clone("Answering"), Message: name}}
		want := d.DeepCopy()
		want.ManagedFields = nil
		if _, err := equals.stripDevServer(d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("%s is not what it was (-was +is):\n%s", name, diff)
		}
		return d
	}
	a, b := stripped("a"), stripped("b")
	for what, words := range map[string][2]string{
		"owner": {a.Spec.Owner, b.Spec.Owner}, "flavor": {a.Spec.Flavor, b.Spec.Flavor}, "key": {a.Spec.SSH.PublicKey, b.Spec.SSH.PublicKey},
		"condition": {a.Status.Conditions[0].Type, b.Status.Conditions[0].Type}, "reason": {a.Status.Conditions[0].Reason, b.Status.Conditions[0].Reason},
	} {
		if unsafe.StringData(words[0]) != unsafe.StringData(words[1]) {
			t.Errorf("each DevServer has memory of its own for the same %s", what)
		}
	}
	if !same(a.Labels, b.Labels) {
		t.Error("each DevServer has memory of its own for the same labels")
	}
}

// same tells whether two maps are one.
func same[M ~map[K]V, K comparable, V any](a, b M) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
