package flavor

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// NodePools returns Karpenter's NodePools, none where Karpenter is not
// installed, and when to look again even without an event (0: never).
type NodePools func(context.Context) (pools []unstructured.Unstructured, again time.Duration, err error)

const nodePoolCRD = "nodepools.karpenter.sh"

var nodePoolKind = schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}

// CacheObjects is what the watch cache holds for this controller alone: of all
// CustomResourceDefinitions the one of NodePools, to notice that Karpenter
// comes or goes.
func CacheObjects() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{
		definition(): {Field: fields.OneTermEqualSelector("metadata.name", nodePoolCRD)},
	}
}

func definition() *metav1.PartialObjectMetadata {
	d := &metav1.PartialObjectMetadata{}
	d.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return d
}

func nodePool() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(nodePoolKind)
	return u
}

// karpenter watches NodePools while their kind exists. A watch of a kind that
// does not exist would keep the operator from starting.
type karpenter struct {
	cache cache.Cache
	// watch makes changes of NodePools lead to a pass.
	watch    func() error
	watching bool
}

const (
	// listPatience is how long a first list of NodePools may take.
	listPatience = 30 * time.Second
	// servedRetry is when a kind is looked for again that is defined and not
	// served: not yet, or in another version only.
	servedRetry = 10 * time.Second
)

// nodePools is called by one pass at a time.
func (k *karpenter) nodePools(ctx context.Context) ([]unstructured.Unstructured, time.Duration, error) {
	err := k.cache.Get(ctx, types.NamespacedName{Name: nodePoolCRD}, definition())
	if apierrors.IsNotFound(err) {
		return nil, 0, k.stop(ctx)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("looking for the CustomResourceDefinition %s: %w", nodePoolCRD, err)
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

// stop ends the watch of a kind that is gone.
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
