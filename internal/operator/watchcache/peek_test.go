package watchcache

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var byNode = toolscache.Indexers{"node": func(o any) ([]string, error) { return []string{o.(*corev1.Pod).Spec.NodeName}, nil }}

// informers has one informer, or none.
type informers struct {
	cache.Informers

	one cache.Informer
}

func (i informers) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	if i.one == nil {
		return nil, errors.New("no such kind")
	}
	return i.one, nil
}

func pods() toolscache.SharedIndexInformer {
	return toolscache.NewSharedIndexInformer(&toolscache.ListWatch{}, &corev1.Pod{}, 0, toolscache.Indexers{})
}

// What is found is the cache's own.
func TestKind(t *testing.T) {
	informer := pods()
	kind, err := In(t.Context(), informers{one: informer}, &corev1.Pod{}, byNode)
	if err != nil {
		t.Fatal(err)
	}
	a := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.PodSpec{NodeName: "x"}}
	b := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: corev1.PodSpec{NodeName: "y"}}
	for _, pod := range []*corev1.Pod{a, b} {
		if err := informer.GetIndexer().Add(pod); err != nil {
			t.Fatal(err)
		}
	}
	if all := kind.All(); len(all) != 2 {
		t.Errorf("there are %d objects, want 2", len(all))
	}
	if found, err := kind.By("node", "y"); err != nil || len(found) != 1 || found[0] != b {
		t.Errorf("on the node y are %v: %v", found, err)
	}
	if found, err := kind.By("node", "z"); err != nil || len(found) != 0 {
		t.Errorf("on the node z are %v: %v", found, err)
	}
	if _, err := kind.By("zone", "y"); err == nil {
		t.Error("an index that is none finds something")
	}
}

// opaque is an informer of which nobody sees the store.
type opaque struct{ cache.Informer }

func TestInRefuses(t *testing.T) {
	for what, i := range map[string]informers{"a kind that is none": {}, "an informer without a store": {one: opaque{pods()}}} {
		if _, err := In(t.Context(), i, &corev1.Pod{}, byNode); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	twice := informers{one: pods()}
	for _, want := range []bool{true, false} {
		if _, err := In(t.Context(), twice, &corev1.Pod{}, byNode); (err == nil) != want {
			t.Errorf("one index, asked for: %v", err)
		}
	}
}
