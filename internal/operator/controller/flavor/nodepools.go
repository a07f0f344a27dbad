package flavor

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"devserver.io/devserver/internal/operator/watchcache"
)

// NodePools returns Karpenter's NodePools, none if Karpenter is not installed, and
// how soon to call it again even without an event (0: not at all).
type NodePools func(context.Context) (pools []unstructured.Unstructured, again time.Duration, err error)

var nodePoolKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}

func nodePool() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(nodePoolKind)
	return u
}

// karpenter watches NodePools while their kind exists. A watch of a kind that
// does not exist would keep the operator from starting.
type karpenter struct {
	cache cache.Cache
	// watch starts a watch, so that changes of NodePools start a pass.
	watch    func() error
	watching bool
}

const (
	// listPatience limits the first list of NodePools, which waits for the cache.
	listPatience = 30 * time.Second
	// servedRetry is how soon to look again if the kind is defined but the API server
	// does not serve it yet, or only in another version.
	servedRetry = 10 * time.Second
)

// nodePools implements NodePools. It must not be called concurrently.
func (k *karpenter) nodePools(ctx context.Context) ([]unstructured.Unstructured, time.Duration, error) {
	err := k.cache.Get(ctx, types.NamespacedName{Name: watchcache.NodePoolCRD}, watchcache.CustomResourceDefinition())
	if apierrors.IsNotFound(err) {
		return nil, 0, k.stop(ctx)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("looking for the CustomResourceDefinition %s: %w", watchcache.NodePoolCRD, err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(nodePoolKind.GroupVersion().WithKind("NodePoolList"))
	waiting, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	err = k.cache.List(waiting, list)
	if meta.IsNoMatchError(err) {
		return nil, servedRetry, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("listing Karpenter's NodePools: %w", err)
	}
	if !k.watching {
		if err := k.watch(); err != nil {
			return nil, 0, fmt.Errorf("watching Karpenter's NodePools: %w", err)
		}
		k.watching = true
	}
	return list.Items, 0, nil
}

// stop ends the watch after Karpenter was removed.
func (k *karpenter) stop(ctx context.Context) error {
	if !k.watching {
		return nil
	}
	if err := k.cache.RemoveInformer(ctx, nodePool()); err != nil {
		return fmt.Errorf("ending the watch of Karpenter's NodePools: %w", err)
	}
	k.watching = false
	return nil
}
