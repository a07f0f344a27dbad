package devserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// foreignLeases are the boxes of whose name somebody else has a Lease. The
// cache does not show them.
type foreignLeases struct{ boxes sync.Map }

func (f *foreignLeases) has(key types.NamespacedName) bool {
	_, has := f.boxes.Load(key)
	return has
}

func leaseFacts(lease *coordinationv1.Lease) lifecycle.Lease {
	if lease == nil {
		return lifecycle.Lease{}
	}
	l := lifecycle.Lease{Mark: lifecycle.ParseMark(lease.Annotations[lifecycle.AnnotationMark])}
	if lease.Spec.RenewTime != nil {
		l.RenewTime = lease.Spec.RenewTime.Time
	}
	if lease.Spec.AcquireTime != nil && lease.Spec.LeaseDurationSeconds != nil {
		l.KeepFrom = lease.Spec.AcquireTime.Time
		l.KeepFor = time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	}
	return l
}

// mark writes the mark on the condition that the Lease is as it was read.
func (r *Reconciler) mark(ctx context.Context, d *devv1.DevServer, lease *coordinationv1.Lease, m lifecycle.Mark) error {
	if lease == nil {
		lease = newLease(d)
		lease.Annotations[lifecycle.AnnotationMark] = m.Text()
		return r.createLease(ctx, d, lease)
	}
	return r.patch(ctx, lease.DeepCopy(), map[string]any{"metadata": map[string]any{
		"resourceVersion": lease.ResourceVersion,
		"annotations":     map[string]any{lifecycle.AnnotationMark: m.Text()},
	}})
}

func (r *Reconciler) unmark(ctx context.Context, lease *coordinationv1.Lease) error {
	return r.patch(ctx, lease.DeepCopy(), map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{lifecycle.AnnotationMark: nil},
	}})
}

// renew notes the box's work on its Lease, and makes that if there is none.
func (r *Reconciler) renew(ctx context.Context, d *devv1.DevServer, lease *coordinationv1.Lease, work time.Time) error {
	if work.IsZero() {
		return nil
	}
	at := metav1.NewMicroTime(work)
	if lease == nil {
		lease = newLease(d)
		lease.Spec.RenewTime = &at
		return r.createLease(ctx, d, lease)
	}
	return r.patch(ctx, lease.DeepCopy(), map[string]any{"spec": map[string]any{"renewTime": at}})
}

// newLease goes with its DevServer.
func newLease(d *devv1.DevServer) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = d.Namespace, desired.LeaseName(d.Name)
	lease.Labels = desired.Labels(d.Name)
	lease.Annotations = map[string]string{desired.AnnotationOwner: d.Spec.Owner}
	lease.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, devv1.GroupVersion.WithKind("DevServer"))}
	return lease
}

// createLease treats one of the box's own that is there already as a conflict:
// the cache shows it soon. One of somebody else is remembered, and left alone.
func (r *Reconciler) createLease(ctx context.Context, d *devv1.DevServer, lease *coordinationv1.Lease) error {
	key := client.ObjectKeyFromObject(d)
	err := r.Client.Create(ctx, lease, apply.FieldOwner)
	switch {
	case err == nil:
		r.foreignLeases.boxes.Delete(key)
		return nil
	case !apierrors.IsAlreadyExists(err):
		return fmt.Errorf("creating Lease %s/%s: %w", lease.Namespace, lease.Name, err)
	}
	live := &coordinationv1.Lease{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(lease), live); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Lease %s/%s: %w", lease.Namespace, lease.Name, err)
	}
	// A label that somebody took away hides it from the cache for good.
	if metav1.IsControlledBy(live, d) && live.Labels[desired.LabelManagedBy] == desired.ManagedBy {
		return apierrors.NewConflict(coordinationv1.Resource("leases"), lease.Name, err)
	}
	r.foreignLeases.boxes.Store(key, true)
	return nil
}
