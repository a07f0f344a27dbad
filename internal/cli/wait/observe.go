package wait

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
)

// watcher keeps up with one DevServer and what belongs to it.
type watcher struct {
	client          client.WithWatch
	namespace, name string
	// changed has a value when there may be something new.
	changed chan struct{}
	// refused gets the error when the DevServer itself may not be watched.
	refused chan error

	devServers, pods, claims, events cache.Store
	// complete tells whether devServers was read: what it lacks then does not exist.
	complete, podsComplete cache.InformerSynced
}

// newWatcher starts to watch until ctx ends. Only the right to the DevServer
// itself is required: without the others there is less to show.
func newWatcher(ctx context.Context, c client.WithWatch, namespace, name string) *watcher {
	w := &watcher{client: c, namespace: namespace, name: name, changed: make(chan struct{}, 1), refused: make(chan error, 1)}
	pod, claim := objects.PodName(name), objects.HomeClaimName(name)
	w.devServers, w.complete = w.start(ctx, &devserverv1.DevServer{}, &devserverv1.DevServerList{}, "metadata.name", name)
	w.pods, w.podsComplete = w.start(ctx, &corev1.Pod{}, &corev1.PodList{}, "metadata.name", pod)
	w.claims, _ = w.start(ctx, &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolumeClaimList{}, "metadata.name", claim)
	w.events, _ = w.start(ctx, &corev1.Event{}, &corev1.EventList{}, "involvedObject.name", pod)
	go func() {
		// A DevServer that was deleted before causes no change.
		if cache.WaitForCacheSync(ctx.Done(), w.complete) {
			w.notify()
		}
		if cache.WaitForCacheSync(ctx.Done(), w.podsComplete) {
			w.notify()
		}
	}()
	return w
}

// start watches the objects of one kind whose field has that value.
func (w *watcher) start(ctx context.Context, kind client.Object, list client.ObjectList, field, value string) (cache.Store, cache.InformerSynced) {
	scope := func(o metav1.ListOptions) *client.ListOptions {
		return &client.ListOptions{Namespace: w.namespace, Raw: &o, FieldSelector: fields.OneTermEqualSelector(field, value)}
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			found := list.DeepCopyObject().(client.ObjectList)
			err := w.client.List(ctx, found, scope(o))
			w.check(kind, err)
			return found, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			changes, err := w.client.Watch(ctx, list.DeepCopyObject().(client.ObjectList), scope(o))
			w.check(kind, err)
			return changes, err
		},
	}
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(source, w.client),
		ObjectType:    kind,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { w.notify() },
			UpdateFunc: func(any, any) { w.notify() },
			DeleteFunc: func(any) { w.notify() },
		},
	})
	go controller.RunWithContext(ctx)
	return store, controller.HasSynced
}

func (w *watcher) notify() {
	select {
	case w.changed <- struct{}{}:
	default: // It has a value already.
	}
}

// next waits for a change. It returns an error if the DevServer may not be
// watched, or if ctx ends by a timeout or Ctrl-C.
func (w *watcher) next(ctx context.Context, timedOut, interrupted string) error {
	select {
	case <-w.changed:
		return nil
	case err := <-w.refused:
		return cluster.Explain(err, "watching DevServer "+w.name)
	case <-ctx.Done():
		return ended(ctx, timedOut, interrupted)
	}
}

// ended is the error for the end of ctx: a timeout or Ctrl-C.
func ended(ctx context.Context, timedOut, interrupted string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return exit.With(exit.TimedOut, errors.New(timedOut))
	}
	return exit.With(exit.Interrupted, errors.New(interrupted))
}

// check notes that the DevServer may not be watched. Other errors pass, and
// the watch is tried again.
func (w *watcher) check(kind client.Object, err error) {
	if _, ok := kind.(*devserverv1.DevServer); !ok || !(apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)) {
		return
	}
	select {
	case w.refused <- err:
	default:
	}
}

// observed is what is known now. Completeness is read first: otherwise what
// arrives in between would count as missing.
func (w *watcher) observed() observed {
	complete, podsComplete := w.complete(), w.podsComplete()
	o := observed{
		complete: complete, podsComplete: podsComplete,
		devServer: get[*devserverv1.DevServer](w.devServers, w.namespace, w.name),
		pod:       get[*corev1.Pod](w.pods, w.namespace, objects.PodName(w.name)),
		claim:     get[*corev1.PersistentVolumeClaim](w.claims, w.namespace, objects.HomeClaimName(w.name)),
	}
	for _, object := range w.events.List() {
		if event, ok := object.(*corev1.Event); ok {
			o.events = append(o.events, *event)
		}
	}
	return o
}

// newest is the DevServer as it is known now. What was read last stands until the
// watch knows better: it may begin a little in the past.
func (o observed) newest(last *devserverv1.DevServer) (ds *devserverv1.DevServer, exists bool) {
	now := o.devServer
	switch {
	case now == nil:
		return last, !o.complete
	case now.UID == last.UID && now.Generation < last.Generation:
		return last, true
	}
	return now, true
}

func get[T client.Object](store cache.Store, namespace, name string) (object T) {
	found, ok, err := store.GetByKey(namespace + "/" + name)
	if err != nil || !ok {
		return object
	}
	object, _ = found.(T)
	return object
}
