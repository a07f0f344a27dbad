package brief

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is named is left whole, wherever it is, and nothing else.
func TestOnly(t *testing.T) {
	metadata := metav1.ObjectMeta{
		Name: "a", UID: "1", ResourceVersion: "2", Labels: map[string]string{"managedFields": "x"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "a"}}, Finalizers: []string{"f"},
	}
	status := corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "c", Ready: true}}}
	for name, tc := range map[string]struct {
		fields []string
		want   corev1.Pod
	}{
		"all":                    {nil, *pod("a", false)},
		"a part":                 {[]string{"metadata"}, corev1.Pod{ObjectMeta: metadata}},
		"parts":                  {[]string{"metadata", "status"}, corev1.Pod{ObjectMeta: metadata, Status: status}},
		"a part of a part":       {[]string{"metadata.uid", "spec.nodeName"}, corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "1"}, Spec: corev1.PodSpec{NodeName: "node"}}},
		"a part of each":         {[]string{"spec.containers.name"}, corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}},
		"a part, then whole":     {[]string{"status.phase", "status"}, corev1.Pod{Status: status}},
		"whole, then a part":     {[]string{"status", "status.phase"}, corev1.Pod{Status: status}},
		"what is not there":      {[]string{"spec.overhead"}, corev1.Pod{}},
		"a part of none":         {[]string{"spec.initContainers.name"}, corev1.Pod{}},
		"without a name in Go":   {[]string{"spec.volumes.volumeSource.secret"}, corev1.Pod{}},
		"managed fields by name": {[]string{"metadata.name", "metadata.managedFields"}, *managedOnly()},
	} {
		tc.want.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		if diff := cmp.Diff(&tc.want, left(t, newCutter(Only(&corev1.Pod{}, tc.fields...)), event(t, "a", true))); diff != "" {
			t.Errorf("%s: not what is left (-want +got):\n%s", name, diff)
		}
	}
}

func managedOnly() *corev1.Pod {
	whole := pod("a", true)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", ManagedFields: whole.ManagedFields}}
}

// A name that is none is a mistake in this program.
func TestOnlyWithoutSuchAField(t *testing.T) {
	for _, name := range []string{"spec.nodename", "spec.nodeName.x", ""} {
		func() {
			defer func() {
				if said, is := recover().(string); !is || !strings.Contains(said, "has no field") {
					t.Errorf("%q is said to be %q", name, said)
				}
			}()
			Only(&corev1.Pod{}, name)
		}()
	}
}
