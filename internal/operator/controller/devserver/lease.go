package devserver

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/apply"
)

// RecordSuspension writes a suspension to the Lease, unless the Lease has changed since
// it was read.
func (s *server) RecordSuspension(ctx context.Context, suspension lease.Suspension) error {
	in := s.in
	if in.lease == nil {
		created := newLease(in.server)
		created.Annotations[lease.AnnotationSuspension] = suspension.Text()
		if err := s.createLease(ctx, in, created); err != nil || !in.foreignLease() {
			return err
		}
		// Nothing is recorded. The next pass decides knowing that.
		return fmt.Errorf("recording the suspension: another owner has the Lease %s/%s: %w", created.Namespace, created.Name, errStale)
	}
	return s.patch(ctx, in.lease.DeepCopy(), map[string]any{"metadata": map[string]any{
		"resourceVersion": in.lease.ResourceVersion,
		"annotations":     map[string]any{lease.AnnotationSuspension: suspension.Text()},
	}})
}

// ClearSuspension removes the suspension from the Lease.
func (s *server) ClearSuspension(ctx context.Context) error {
	if s.in.lease == nil { // This pass created it, and the clock was set back since.
		return fmt.Errorf("clearing the suspension of a Lease that was not read yet: %w", errStale)
	}
	return s.patch(ctx, s.in.lease.DeepCopy(), map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{lease.AnnotationSuspension: nil},
	}})
}

// renew writes the server's last activity to its Lease, and creates the Lease if
// it does not exist. A zero time writes nothing.
func (r *Reconciler) renew(ctx context.Context, in resolved, activity time.Time) error {
	if activity.IsZero() {
		return nil
	}
	at := metav1.NewMicroTime(activity)
	if in.lease == nil {
		created := newLease(in.server)
		created.Spec.RenewTime = &at
		return r.createLease(ctx, in, created)
	}
	return r.patch(ctx, in.lease.DeepCopy(), map[string]any{"spec": map[string]any{"renewTime": at}})
}

// newLease is a Lease that is deleted with its DevServer.
func newLease(d *devv1.DevServer) *coordinationv1.Lease {
	l := &coordinationv1.Lease{}
	l.Namespace, l.Name = d.Namespace, objects.LeaseName(d.Name)
	l.Labels = objects.Labels(d.Name)
	l.Annotations = map[string]string{objects.AnnotationOwner: d.Spec.Owner}
	l.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, devv1.GroupVersion.WithKind("DevServer"))}
	return l
}

// createLease creates the server's Lease. If the server has one already, which the
// cache is about to show, the pass ends. If the name belongs to another owner's Lease,
// that is not changed, and remembered as foreign.
func (r *Reconciler) createLease(ctx context.Context, in resolved, l *coordinationv1.Lease) error {
	err := r.Client.Create(ctx, l, apply.FieldOwner)
	if !apierrors.IsAlreadyExists(err) {
		in.memory.foreignLease = in.memory.foreignLease && err != nil
		return written(err, "creating Lease %s/%s", l.Namespace, l.Name)
	}
	live := &coordinationv1.Lease{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(l), live); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Lease %s/%s: %w", l.Namespace, l.Name, err)
	}
	// A Lease without the label is never in the cache.
	if metav1.IsControlledBy(live, in.server) && live.Labels[objects.LabelManagedBy] == objects.ManagedBy {
		return fmt.Errorf("creating Lease %s/%s: %w", l.Namespace, l.Name, errStale)
	}
	in.memory.foreignLease = true
	return nil
}
