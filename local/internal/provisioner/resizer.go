package provisioner

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// Resizer grows the disks of claims that request more than they have. Then it sets the
// claim's status, so the kubelet grows the file system.
//
// It does what CSI's external-resizer does for drivers. That one cannot be imported
// here: it declares its own feature gate VolumeAttributesClass, with which Kubernetes'
// declaration of the same gate panics.
type Resizer struct {
	disks   Disks
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	synced  []cache.InformerSynced
	queue   workqueue.TypedRateLimitingInterface[string]
}

// NewResizer watches claims and volumes with the factory's informers.
func NewResizer(disks Disks, factory informers.SharedInformerFactory) (*Resizer, error) {
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	r := &Resizer{
		disks: disks, client: disks.Client, claims: claims.Lister(), volumes: volumes.Lister(),
		synced: []cache.InformerSynced{claims.Informer().HasSynced, volumes.Informer().HasSynced},
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, 10*time.Second)),
	}
	_, err := claims.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.enqueue,
		UpdateFunc: func(_, claim any) { r.enqueue(claim) },
	})
	if err != nil {
		return nil, fmt.Errorf("watch claims: %w", err)
	}
	return r, nil
}

func (r *Resizer) enqueue(claim any) {
	if key, err := cache.MetaNamespaceKeyFunc(claim); err == nil {
		r.queue.Add(key)
	}
}

// Run works until the context is cancelled.
func (r *Resizer) Run(ctx context.Context) {
	if !cache.WaitForCacheSync(ctx.Done(), r.synced...) {
		return
	}
	const workers = 4
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for r.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	r.queue.ShutDown()
	working.Wait()
}

func (r *Resizer) next(ctx context.Context) bool {
	key, quit := r.queue.Get()
	if quit {
		return false
	}
	defer r.queue.Done(key)
	err := r.Reconcile(ctx, key)
	if err == nil {
		r.queue.Forget(key)
		return true
	}
	// A conflict: the cached object was outdated, which is not a fault.
	if !apierrors.IsConflict(err) {
		klog.FromContext(ctx).Error(err, "Failed to grow the volume", "PVC", key)
	}
	r.queue.AddRateLimited(key)
	return true
}

// Reconcile grows one claim's disk to the size that the claim requests.
func (r *Resizer) Reconcile(ctx context.Context, key string) error {
	claim, pv, err := r.look(key)
	if err != nil || pv == nil {
		return err
	}
	name, err := r.disks.name(pv)
	if err != nil {
		return nil //nolint:nilerr // another provisioner's volume
	}
	size, now := wanted(claim, pv)
	if !now {
		return nil
	}
	if next, changed := begun(claim, metav1.Now()); changed {
		if claim, err = r.update(ctx, next); err != nil {
			return err
		}
	}
	if err := r.disks.Store.Grow(name, size.Value()); err != nil {
		if next, changed := failed(claim, err, metav1.Now()); changed {
			if _, err := r.update(ctx, next); err != nil {
				return err
			}
		}
		return err
	}
	if actual := pv.Spec.Capacity[corev1.ResourceStorage]; actual.Cmp(size) != 0 {
		pv = pv.DeepCopy()
		pv.Spec.Capacity[corev1.ResourceStorage] = size
		if _, err := r.client.CoreV1().PersistentVolumes().Update(ctx, pv, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("set the size of volume %s: %w", pv.Name, err)
		}
	}
	_, err = r.update(ctx, grown(claim, metav1.Now()))
	return err
}

// look finds a claim and its volume. The volume is nil if there is nothing to do.
func (r *Resizer) look(key string) (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil, nil, err
	}
	claim, err := r.claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) || err == nil && claim.Spec.VolumeName == "" {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("get the claim %s: %w", key, err)
	}
	pv, err := r.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		// The informer has not seen it yet, or it was deleted. The retries back off.
		return nil, nil, fmt.Errorf("get the volume of the claim %s: %w", key, err)
	}
	return claim, pv, nil
}

func (r *Resizer) update(ctx context.Context, claim *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	updated, err := r.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, metav1.UpdateOptions{})
	if err != nil {
		return nil, fmt.Errorf("write the status of the claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return updated, nil
}
