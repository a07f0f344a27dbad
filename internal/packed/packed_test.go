package packed

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func whole() *appsv1.StatefulSet {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "box", UID: "1"}}
	set.Spec.Replicas = new(int32(1))
	set.Spec.Template.Annotations = map[string]string{"a": "b"}
	set.Spec.Template.Spec = corev1.PodSpec{NodeSelector: map[string]string{"c": "d"}, Containers: []corev1.Container{{Name: "devserver", Image: "i"}}}
	return set
}

// What is packed is there again when it is unpacked, and nothing else changes.
func TestPack(t *testing.T) {
	set := whole()
	for range 2 { // The cache may show an object to its transform again.
		if err := Pack(set); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(corev1.PodSpec{}, set.Spec.Template.Spec); diff != "" {
		t.Errorf("the pod spec is still there (-want +got):\n%s", diff)
	}
	kept := set.DeepCopy()
	got, err := Unpack(set)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(), got); diff != "" {
		t.Errorf("it is not as it was (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(kept, set); diff != "" {
		t.Errorf("what the cache has was changed (-want +got):\n%s", diff)
	}
}

// One that the API server gave, and no cache, has its pod spec, whatever else
// somebody wrote into it.
func TestUnpackedStaysAsItIs(t *testing.T) {
	set := whole()
	set.Spec.Template.GenerateName = "somebody's"
	if got, err := Unpack(set); got != set || err != nil {
		t.Errorf("it becomes %+v: %v", got, err)
	}
	if err := Pack(set); err != nil {
		t.Fatal(err)
	}
	got, err := Unpack(set)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(), got); diff != "" {
		t.Errorf("it is not as it was (-want +got):\n%s", diff)
	}
}

func TestUnpackRefusesWhatIsNoPodSpec(t *testing.T) {
	set := whole()
	set.Spec.Template.Spec, set.Spec.Template.GenerateName = corev1.PodSpec{}, "\xff"
	if _, err := Unpack(set); err == nil {
		t.Error("it is unpacked")
	}
}
