package apiserver

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Store has objects of one kind as a watch cache does, but always those that the
// API server has.
type Store struct {
	T       *testing.T
	Client  client.Reader
	Kind    client.ObjectList
	Indexes toolscache.Indexers
}

// List gives all of them.
func (s Store) List() []any {
	s.T.Helper()
	list := s.Kind.DeepCopyObject().(client.ObjectList) //nolint:forcetypeassert // a copy
	if err := s.Client.List(s.T.Context(), list); err != nil {
		s.T.Fatalf("listing %T: %v", list, err)
	}
	var objects []any
	if err := meta.EachListItem(list, func(o runtime.Object) error {
		objects = append(objects, o)
		return nil
	}); err != nil {
		s.T.Fatal(err)
	}
	return objects
}

// ByIndex gives those that an index has under a value.
func (s Store) ByIndex(index, value string) ([]any, error) {
	s.T.Helper()
	return slices.DeleteFunc(s.List(), func(o any) bool {
		values, err := s.Indexes[index](o)
		if err != nil {
			s.T.Fatalf("indexing a %T by %s: %v", o, index, err)
		}
		return !slices.Contains(values, value)
	}), nil
}
