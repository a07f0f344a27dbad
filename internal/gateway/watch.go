package gateway

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	devserverv1 "devserver.io/devserver/api/v1"
)

// watch keeps d equal to the cluster's DevServers until stop is called, also
// beyond the end of ctx, so that a key revoked while the last sessions finish
// still ends them. It returns once d holds all of them. While the API server is
// away, d stays as it was. If the watch ends for another reason, ended says so.
func watch(ctx context.Context, config *rest.Config, d *directory) (ended <-chan error, stop func(), err error) {
	scheme := runtime.NewScheme()
	if err := devserverv1.AddToScheme(scheme); err != nil {
		return nil, nil, fmt.Errorf("registering the API's types: %w", err)
	}
	// Known in advance, so that nothing has to be discovered.
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(devserverv1.GroupVersion.WithKind("DevServer"), meta.RESTScopeNamespace)

	boxes, err := cache.New(config, cache.Options{Scheme: scheme, Mapper: mapper, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, nil, fmt.Errorf("preparing to watch DevServers: %w", err)
	}
	informer, err := boxes.GetInformer(ctx, &devserverv1.DevServer{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, fmt.Errorf("preparing to watch DevServers: %w", err)
	}
	handler, err := informer.AddEventHandler(handlerFor(d))
	if err != nil {
		return nil, nil, fmt.Errorf("preparing to watch DevServers: %w", err)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	go func() {
		if err := boxes.Start(watching); err != nil {
			failed <- fmt.Errorf("watching DevServers: %w", err)
		}
	}()
	if !toolscache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
		stop()
		return nil, nil, errors.New("stopped before all DevServers were read")
	}
	return failed, stop, nil
}

// handlerFor brings changes of DevServers to d.
func handlerFor(d *directory) toolscache.ResourceEventHandler {
	put := func(object any) {
		if ds, ok := object.(*devserverv1.DevServer); ok {
			d.put(boxOf(ds))
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    put,
		UpdateFunc: func(_, object any) { put(object) },
		DeleteFunc: func(object any) {
			// The last state may be unknown, when the watch was interrupted.
			key, err := toolscache.DeletionHandlingObjectToName(object)
			if err == nil {
				d.remove(types.NamespacedName{Namespace: key.Namespace, Name: key.Name})
			}
		},
	}
}
