package brief

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// pod has what could be taken for managed fields.
func pod(name string, managed bool) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: "1", ResourceVersion: "2", Labels: map[string]string{"managedFields": "x"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: name}}, Finalizers: []string{"f"},
		},
		Spec:   corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "c", Ready: true}}},
	}
	if managed {
		for _, manager := range []string{"a", "b"} {
			pod.ManagedFields = append(pod.ManagedFields, metav1.ManagedFieldsEntry{Manager: manager, FieldsV1: metav1.NewFieldsV1(strings.Repeat("f", 300))})
		}
	}
	return pod
}

func serializer() *protobuf.Serializer {
	return protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme)
}

// event is a watch's event as an API server writes it.
func event(t testing.TB, name string, managed bool) string {
	t.Helper()
	var object bytes.Buffer
	if err := serializer().Encode(pod(name, managed), &object); err != nil {
		t.Fatal(err)
	}
	message, err := (&metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Raw: object.Bytes()}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return framed(message)
}

// All but the managed fields is there, by the word of those who decode it.
func TestCutter(t *testing.T) {
	c := newCutter(Mask{})
	for _, name := range []string{"first", "a longer one", "b"} { // The memory is used again.
		if diff := cmp.Diff(pod(name, false), left(t, c, event(t, name, true))); diff != "" {
			t.Errorf("the event lost more (-want +got):\n%s", diff)
		}
	}
}

// left is the object in what is left of an event.
func left(t *testing.T, c *cutter, event string) runtime.Object {
	t.Helper()
	short := c.frame([]byte(event))
	var e metav1.WatchEvent
	if err := e.Unmarshal(short[headerBytes:]); err != nil {
		t.Fatal(err)
	}
	if e.Type != "ADDED" {
		t.Errorf("the type of the event became %q", e.Type)
	}
	object, _, err := serializer().Decode(e.Object.Raw, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return object
}
