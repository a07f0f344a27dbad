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

// Await follows the object with obj's kind, namespace and name until ok says
// that it is as wanted, and returns it. While there is no such object, ok is
// not asked.
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

// AwaitGone follows the object with obj's kind, namespace and name until there
// is none.
func AwaitGone(ctx context.Context, c client.WithWatch, obj client.Object) error {
	return follow(ctx, c, obj, func(o client.Object) bool { return o == nil })
}

// follow shows every state of one object to done, nil when there is none,
// until done is content or the context ends. A watch that breaks off is
// started again from a new list.
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
		if len(items) == 0 && done(nil) || len(items) == 1 && done(items[0].(client.Object)) {
			return nil
		}
		from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := c.Watch(ctx, list, append(only, from)...)
		if err != nil {
			return fmt.Errorf("watch %T %s: %w", obj, key, err)
		}
		over := drain(ctx, events, done)
		events.Stop()
		if over {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s %s: %w", reflect.TypeOf(obj).Elem().Name(), key, context.Cause(ctx))
		}
	}
}

// drain reads events until done is content (true) or the watch ends (false).
func drain(ctx context.Context, events watch.Interface, done func(client.Object) bool) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case e, open := <-events.ResultChan():
			if !open || e.Type == watch.Error {
				return false
			}
			o, is := e.Object.(client.Object)
			if e.Type == watch.Deleted {
				o = nil
			}
			if is && done(o) {
				return true
			}
		}
	}
}

// listOf makes an empty list of obj's kind.
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
