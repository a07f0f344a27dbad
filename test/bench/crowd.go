package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/test/cluster"
)

const (
	// perNamespace is how many servers share a namespace.
	perNamespace = 100
	// creators is how many servers are created at the same time.
	creators = 32
	// crowdKey is the key of all servers. No client uses it.
	crowdKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0bJ2TM3ZiHbbOzdFfgRZPNr0LLUpOLKVlBC6R0Z0f3 bench@example.com"
)

// crowd is many servers that are created at once.
type crowd struct {
	c       client.WithWatch
	servers []*v1.DevServer
	flavor  *v1.DevServerFlavor

	// made is called with each created server, unless it is nil.
	made func(context.Context, *v1.DevServer) error
	// list is the kind of object to watch. reached reports whether an object shows that a
	// server is finished, and which server that is.
	list    client.ObjectList
	reached func(client.Object) (server types.NamespacedName, ok bool)

	mu      sync.Mutex
	created map[types.NamespacedName]time.Time
	running map[types.NamespacedName]time.Time
	all     chan struct{} // closed once all servers are finished
}

// running reports whether a DevServer is Running.
func running(object client.Object) (types.NamespacedName, bool) {
	d, ok := object.(*v1.DevServer)
	return client.ObjectKeyFromObject(object), ok && d.Status.Phase == v1.PhaseRunning
}

// ready reports whether a DevServer's pod is Ready.
func ready(object client.Object) (types.NamespacedName, bool) {
	pod, ok := object.(*corev1.Pod)
	key := types.NamespacedName{Namespace: object.GetNamespace(), Name: strings.TrimSuffix(object.GetName(), "-0")}
	return key, ok && status.PodReady(pod)
}

// newCrowd creates the namespaces and the flavor for n servers, but not the servers.
func newCrowd(ctx context.Context, c client.WithWatch, n int, service v1.SSHServiceType, lifecycle *v1.LifecycleSpec) (*crowd, error) {
	w := &crowd{c: c, list: &v1.DevServerList{}, reached: running, created: map[types.NamespacedName]time.Time{}, running: map[types.NamespacedName]time.Time{}, all: make(chan struct{})}
	flavor := &v1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "bench"}}
	flavor.Spec.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("1Gi")},
		Limits:   corev1.ResourceList{"memory": resource.MustParse("2Gi")},
	}
	flavor.Spec.Lifecycle = lifecycle
	if err := c.Create(ctx, flavor); err != nil {
		return nil, fmt.Errorf("make a flavor: %w", err)
	}
	w.flavor = flavor
	for i := range n {
		d := &v1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("server-%d", i), Namespace: fmt.Sprintf("team-%d", i/perNamespace)}}
		d.Spec.Owner = "bench@example.com"
		d.Spec.Flavor = flavor.Name
		d.Spec.SSH.PublicKey = crowdKey
		d.Spec.SSH.Service.Type = service
		d.Spec.PersistentHomeSize = resource.MustParse("10Gi")
		w.servers = append(w.servers, d)
		if i%perNamespace != 0 {
			continue
		}
		if err := c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.Namespace}}); err != nil {
			return nil, fmt.Errorf("make a namespace: %w", err)
		}
		// Without it the API server refuses the namespace's pods.
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: d.Namespace}}
		if _, err := cluster.Await(ctx, c, account, func(*corev1.ServiceAccount) bool { return true }); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// run creates the servers and returns when all are finished, or when gone, which it calls
// every second, returns an error.
func (w *crowd) run(ctx context.Context, gone func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := w.watch(ctx); err != nil {
			cancel(err)
		}
	}()
	if err := w.create(ctx); err != nil {
		return err
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.all:
			fmt.Fprintln(os.Stderr)
			return nil
		case <-pace.C:
			if err := gone(); err != nil {
				return err
			}
			w.mu.Lock()
			fmt.Fprintf(os.Stderr, "\rscale: %d of %d", len(w.running), len(w.servers))
			w.mu.Unlock()
		}
	}
}

func (w *crowd) create(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *v1.DevServer)
	var wg sync.WaitGroup
	for range creators {
		wg.Go(func() {
			for d := range todo {
				begin := time.Now()
				key := client.ObjectKeyFromObject(d)
				err := w.c.Create(ctx, d)
				if err == nil && w.made != nil {
					err = w.made(ctx, d)
				}
				if err != nil {
					cancel(fmt.Errorf("create %s: %w", key, err))
				}
				w.mu.Lock()
				w.created[key] = begin
				w.mu.Unlock()
			}
		})
	}
	for _, d := range w.servers {
		todo <- d
	}
	close(todo)
	wg.Wait()
	return context.Cause(ctx)
}

// watch notes finished servers until ctx ends. The API server may end a watch at any
// time. The next one starts with a new list, so that no change is missed.
func (w *crowd) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.c.List(ctx, w.list); err != nil {
			return fmt.Errorf("list the watched objects: %w", err)
		}
		if err := meta.EachListItem(w.list, func(object runtime.Object) error {
			w.note(object.(client.Object)) //nolint:forcetypeassert // what a client lists are API objects
			return nil
		}); err != nil {
			return err
		}
		from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: w.list.GetResourceVersion()}}
		events, err := w.c.Watch(ctx, w.list, from)
		if err != nil {
			return fmt.Errorf("watch the objects: %w", err)
		}
		for e := range events.ResultChan() {
			if object, ok := e.Object.(client.Object); ok {
				w.note(object)
			}
		}
		events.Stop()
	}
	return nil
}

// note records when a server was first seen to be finished.
func (w *crowd) note(object client.Object) {
	key, ok := w.reached(object)
	if !ok {
		return
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.running[key]; known {
		return
	}
	w.running[key] = now
	if len(w.running) == len(w.servers) {
		close(w.all)
	}
}

// times returns the seconds that each server took, and the seconds from the first call
// until all were finished.
func (w *crowd) times() (each []float64, all float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first, last time.Time
	for key, begin := range w.created {
		end := w.running[key]
		each = append(each, end.Sub(begin).Seconds())
		if first.IsZero() || begin.Before(first) {
			first = begin
		}
		if end.After(last) {
			last = end
		}
	}
	return each, last.Sub(first).Seconds()
}
