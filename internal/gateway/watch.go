package gateway

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
)

// watch keeps d up to date with the cluster's DevServers and DevServerUsers until
// stop is called. It continues after the end of ctx, so that a key that is revoked
// while the last sessions finish still ends them. It returns when d has all of them.
// While the API server does not answer, d keeps what it has. If the watch fails for
// another reason, ended has the error.
func watch(ctx context.Context, config *rest.Config, d *directory) (ended <-chan error, stop func(), err error) {
	objects, err := cache.New(config, cache.Options{Scheme: scheme(), Mapper: mapper(), DefaultTransform: stripped})
	if err != nil {
		return nil, nil, fmt.Errorf("preparing to watch the cluster: %w", err)
	}
	var synced []toolscache.InformerSynced
	for kind, handler := range map[crclient.Object]toolscache.ResourceEventHandler{
		&devserverv1.DevServer{}: devServerHandler(d), &devserverv1.DevServerUser{}: userHandler(d),
	} {
		informer, err := objects.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, nil, fmt.Errorf("preparing to watch the cluster: %w", err)
		}
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			return nil, nil, fmt.Errorf("preparing to watch the cluster: %w", err)
		}
		synced = append(synced, registration.HasSynced)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	go func() {
		if err := objects.Start(watching); err != nil {
			failed <- fmt.Errorf("watching the cluster: %w", err)
		}
	}()
	if !toolscache.WaitForCacheSync(ctx.Done(), synced...) {
		stop()
		return nil, nil, errors.New("stopped before all DevServers were read")
	}
	return failed, stop, nil
}

// stripped is the cache's transform: it drops the fields that the gateway does not
// read.
func stripped(object any) (any, error) {
	switch o := object.(type) {
	case *devserverv1.DevServer:
		strip(o)
	case crclient.Object:
		o.SetManagedFields(nil)
	}
	return object, nil
}

// devServerHandler applies changes of DevServers to d.
func devServerHandler(d *directory) toolscache.ResourceEventHandler {
	return handler(d.put, func(name toolscache.ObjectName) { d.remove(types.NamespacedName(name)) })
}

// userHandler applies changes of DevServerUsers to d.
func userHandler(d *directory) toolscache.ResourceEventHandler {
	return handler(d.putUser, func(name toolscache.ObjectName) { d.removeUser(name.Name) })
}

func handler[T crclient.Object](put func(T), remove func(toolscache.ObjectName)) toolscache.ResourceEventHandler {
	changed := func(object any) {
		if o, ok := object.(T); ok {
			put(o)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    changed,
		UpdateFunc: func(_, object any) { changed(object) },
		DeleteFunc: func(object any) {
			// If the watch was interrupted, only the name of the object is known.
			if name, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
				remove(name)
			}
		},
	}
}
