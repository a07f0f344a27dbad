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
	"devserver.io/devserver/internal/brief"
)

// watch keeps d equal to the cluster's DevServers and DevServerUsers until stop
// is called, also beyond the end of ctx, so that a key revoked while the last
// sessions finish still ends them. It returns once d holds all of them. While
// the API server is away, d stays as it was. If the watch ends for another
// reason, ended says so.
func watch(ctx context.Context, config *rest.Config, d *directory) (ended <-chan error, stop func(), err error) {
	config = rest.CopyConfig(config)
	// Who set which field, half of each event, is not even decoded.
	config.Wrap(brief.Transport(nil))
	objects, err := cache.New(config, cache.Options{Scheme: scheme(), Mapper: mapper(), DefaultTransform: stripped})
	if err != nil {
		return nil, nil, fmt.Errorf("preparing to watch the cluster: %w", err)
	}
	var filled []toolscache.InformerSynced
	for kind, handler := range map[crclient.Object]toolscache.ResourceEventHandler{
		&devserverv1.DevServer{}: boxHandler(d), &devserverv1.DevServerUser{}: personHandler(d),
	} {
		informer, err := objects.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, nil, fmt.Errorf("preparing to watch the cluster: %w", err)
		}
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			return nil, nil, fmt.Errorf("preparing to watch the cluster: %w", err)
		}
		filled = append(filled, registration.HasSynced)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	go func() {
		if err := objects.Start(watching); err != nil {
			failed <- fmt.Errorf("watching the cluster: %w", err)
		}
	}()
	if !toolscache.WaitForCacheSync(ctx.Done(), filled...) {
		stop()
		return nil, nil, errors.New("stopped before all DevServers were read")
	}
	return failed, stop, nil
}

// stripped is the transformation of what is kept in memory.
func stripped(object any) (any, error) {
	switch o := object.(type) {
	case *devserverv1.DevServer:
		strip(o)
	case crclient.Object:
		o.SetManagedFields(nil)
	}
	return object, nil
}

// boxHandler brings changes of DevServers to d.
func boxHandler(d *directory) toolscache.ResourceEventHandler {
	return handler(d.put, func(name toolscache.ObjectName) { d.remove(types.NamespacedName(name)) })
}

// personHandler brings changes of DevServerUsers to d.
func personHandler(d *directory) toolscache.ResourceEventHandler {
	return handler(d.putPerson, func(name toolscache.ObjectName) { d.removePerson(name.Name) })
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
			// The last state may be unknown, when the watch was interrupted.
			if name, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
				remove(name)
			}
		},
	}
}
