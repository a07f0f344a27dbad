// Package watchcache reads the watch cache without copies, where events and passes ask
// for objects by the thousand, or a thousand times.
package watchcache

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kind is what is known of one kind of objects. They are the watch cache's own:
// nobody may change them. It may lag behind what this program wrote.
type Kind[T client.Object] struct{ store Store }

// Store is what holds the objects: in the operator, an Indexer of client-go.
type Store interface {
	List() []any
	ByIndex(index, value string) ([]any, error)
}

// Of is the kind whose objects a store holds.
func Of[T client.Object](store Store) Kind[T] { return Kind[T]{store} }

// In is a kind in a watch cache that has not started yet, which finds it by these
// indexes as well from now on. Whoever asks has to watch the kind: that is what
// waits until all of it is known.
func In[T client.Object](ctx context.Context, in cache.Informers, kind T, indexes toolscache.Indexers) (none Kind[T], err error) {
	informer, err := in.GetInformer(ctx, kind)
	if err != nil {
		return none, fmt.Errorf("watching %T: %w", kind, err)
	}
	store, is := informer.(interface{ GetIndexer() toolscache.Indexer })
	if !is {
		return none, fmt.Errorf("bug: the watch cache shows none of its own %T: a %T is no SharedIndexInformer", kind, informer)
	}
	if err := informer.AddIndexers(indexes); err != nil {
		return none, fmt.Errorf("indexing %T: %w", kind, err)
	}
	return Of[T](store.GetIndexer()), nil
}

// All are all of them.
func (k Kind[T]) All() []T { return typed[T](k.store.List()) }

// By are those that an index has under a value.
func (k Kind[T]) By(index, value string) ([]T, error) {
	objects, err := k.store.ByIndex(index, value)
	if err != nil {
		return nil, fmt.Errorf("finding objects by their %s %q: %w", index, value, err)
	}
	return typed[T](objects), nil
}

func typed[T client.Object](objects []any) []T {
	all := make([]T, 0, len(objects))
	for _, o := range objects {
		all = append(all, o.(T)) //nolint:forcetypeassert // an informer is of one kind
	}
	return all
}
