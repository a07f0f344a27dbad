package devserver

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand" //nolint:depguard // what the fuzzers of Kubernetes take
	"net/http"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeserializer "k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"

	"devserver.io/devserver/internal/brief"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/packed"
)

// However an object looks, what the watch cache keeps of it is the same whether
// all of it was decoded or what the masks leave.
func TestMasksLeaveWhatIsKept(t *testing.T) {
	ours := func(pod *corev1.Pod) { pod.Labels = objects.Labels("box") }
	for name, tc := range map[string]struct {
		path  string
		kind  string
		fill  func(runtime.Object)
		strip func(any) (any, error)
	}{
		"a box's pod":   {"/api/v1/pods", "Pod", func(o runtime.Object) { ours(o.(*corev1.Pod)) }, (&equals{}).stripPod},
		"another's pod": {"/api/v1/pods", "Pod", nil, (&equals{}).stripPod},
		"a node":        {"/api/v1/nodes", "Node", nil, stripNode},
		"a claim":       {"/api/v1/persistentvolumeclaims", "PersistentVolumeClaim", nil, (&equals{}).stripClaim},
	} {
		filler := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, likely), rand.NewSource(1), runtimeserializer.NewCodecFactory(clientgoscheme.Scheme)).NilChance(.2).NumElements(1, 3)
		shortened := false
		for range 300 {
			whole, err := clientgoscheme.Scheme.New(corev1.SchemeGroupVersion.WithKind(tc.kind))
			if err != nil {
				t.Fatal(err)
			}
			filler.Fill(whole)
			whole.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(tc.kind))
			if tc.fill != nil {
				tc.fill(whole)
			}
			text, short := watched(t, tc.path, whole)
			shortened = shortened || len(short) < len(text)/2
			want, err := tc.strip(decoded(t, text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tc.strip(decoded(t, short))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s is kept otherwise (-decoded whole +decoded short):\n%s", name, diff)
			}
		}
		if !shortened {
			t.Errorf("%s: nothing is left out", name)
		}
	}
}

// A StatefulSet comes packed, and there is in it what is in one that came whole.
func TestSetsComePacked(t *testing.T) {
	filler := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, likely), rand.NewSource(1), runtimeserializer.NewCodecFactory(clientgoscheme.Scheme)).NilChance(.2).NumElements(1, 3)
	for range 300 {
		object := &appsv1.StatefulSet{}
		filler.Fill(object)
		object.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
		object.Spec.Template.Spec.Containers = append(object.Spec.Template.Spec.Containers, corev1.Container{Name: objects.ServerContainer})
		object.Spec.Template.GenerateName, object.Spec.Template.ManagedFields = "", nil
		text, short := watched(t, "/apis/apps/v1/statefulsets", object)
		if got := decoded(t, short).(*appsv1.StatefulSet).Spec.Template.Spec; !reflect.ValueOf(got).IsZero() {
			t.Fatalf("the pod spec was decoded: %+v", got)
		}
		var kept [2]*appsv1.StatefulSet
		for i, come := range [][]byte{text, short} {
			stripped, err := (&equals{}).stripSet(decoded(t, come))
			if err != nil {
				t.Fatal(err)
			}
			if kept[i], err = packed.Unpack(stripped.(*appsv1.StatefulSet)); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(kept[0], kept[1]); diff != "" {
			t.Fatalf("it is kept otherwise (-decoded whole +come packed):\n%s", diff)
		}
		if diff := cmp.Diff(decoded(t, text).(*appsv1.StatefulSet).Spec.Template, kept[1].Spec.Template); diff != "" {
			t.Fatalf("its template is another (-want +got):\n%s", diff)
		}
	}
}

// likely fills quantities, which are none if they are filled by chance, and those
// words of which some mean something.
func likely(runtimeserializer.CodecFactory) []any {
	return []any{
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(c.Int63n(1<<40), resource.BinarySI)
			_ = q.String()
		},
		func(n *corev1.ResourceName, c randfill.Continue) {
			*n = one(c, corev1.ResourceCPU, corev1.ResourceMemory, "nvidia.com/gpu")
		},
		func(p *corev1.ContainerRestartPolicy, c randfill.Continue) {
			*p = one(c, corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever)
		},
		func(p *corev1.PodPhase, c randfill.Continue) { *p = one(c, corev1.PodRunning, corev1.PodSucceeded) },
		func(t *corev1.PodConditionType, c randfill.Continue) {
			*t = one(c, corev1.PodReady, corev1.PodResizePending)
		},
		func(t *corev1.NodeConditionType, c randfill.Continue) {
			*t = one(c, corev1.NodeReady, corev1.NodeDiskPressure)
		},
	}
}

func one[T any](c randfill.Continue, of ...T) T { return of[c.Intn(len(of))] }

// watched is an object in protobuf, and what comes of it through a watch.
func watched(t *testing.T, path string, object runtime.Object) (text, short []byte) {
	t.Helper()
	var whole bytes.Buffer
	if err := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Encode(object, &whole); err != nil {
		t.Fatal(err)
	}
	message, err := (&metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Raw: whole.Bytes()}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
	client := http.Client{Transport: brief.Transport(Masks())(answer(frame))}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com"+path+"?watch=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	left, err := io.ReadAll(response.Body)
	if err != nil || response.Body.Close() != nil {
		t.Fatal(err)
	}
	var event metav1.WatchEvent
	if err := event.Unmarshal(left[4:]); err != nil {
		t.Fatal(err)
	}
	return whole.Bytes(), event.Object.Raw
}

// answer is an API server that says one thing.
type answer []byte

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {runtime.ContentTypeProtobuf + ";stream=watch"}},
		Body:       io.NopCloser(bytes.NewReader(a)),
	}, nil
}

func decoded(t *testing.T, text []byte) runtime.Object {
	t.Helper()
	object, _, err := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Decode(text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return object
}
