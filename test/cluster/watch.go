package cluster

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Await watches the object with obj's kind, namespace and name until ok returns
// true, and returns the object. It does not call ok while the object does not
// exist.
func Await[T client.Object](ctx context.Context, c client.WithWatch, obj T, ok func(T) bool) (T, error) {
	var found T
	err := follow(ctx, c, obj, func(o client.Object) bool {
		if o == nil {
			return false
		}
		found = o.(T)
		return ok(found)
	})
	return found, err
}

// AwaitGone watches the object with obj's kind, namespace and name until it does
// not exist.
func AwaitGone(ctx context.Context, c client.WithWatch, obj client.Object) error {
	return follow(ctx, c, obj, func(o client.Object) bool { return o == nil })
}

// follow calls done with every state of one object, nil if it does not exist,
// until done returns true or the context ends. If the watch ends, follow starts
// again with a new list.
func follow(ctx context.Context, c client.WithWatch, obj client.Object, done func(client.Object) bool) error {
	key := client.ObjectKeyFromObject(obj)
	only := []client.ListOption{client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name}}
	for {
		list, err := listOf(c, obj)
		if err != nil {
			return err
		}
		if err := c.List(ctx, list, only...); err != nil {
			return fmt.Errorf("list %T %s: %w", obj, key, err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			return err
		}
		if (len(items) == 0 && done(nil)) || (len(items) == 1 && done(items[0].(client.Object))) {
			return nil
		}
		from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := c.Watch(ctx, list, append(only, from)...)
		if err != nil {
			return fmt.Errorf("watch %T %s: %w", obj, key, err)
		}
		finished := drain(ctx, events, done)
		events.Stop()
		if finished {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s %s: %w", reflect.TypeOf(obj).Elem().Name(), key, context.Cause(ctx))
		}
	}
}

// drain reads events until done returns true, and then returns true. It returns
// false if the watch ends before.
func drain(ctx context.Context, events watch.Interface, done func(client.Object) bool) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case e, open := <-events.ResultChan():
			if !open || e.Type == watch.Error {
				return false
			}
			o, ok := e.Object.(client.Object)
			if e.Type == watch.Deleted {
				o = nil
			}
			if ok && done(o) {
				return true
			}
		}
	}
}

// listOf returns an empty list of obj's kind.
func listOf(c client.Client, obj client.Object) (client.ObjectList, error) {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return nil, err
	}
	gvk.Kind += "List"
	list, err := c.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	return list.(client.ObjectList), nil
}
