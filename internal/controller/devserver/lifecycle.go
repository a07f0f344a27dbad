package devserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/apply"
	"devserver.io/devserver/internal/box"
	"devserver.io/devserver/internal/desired"
	"devserver.io/devserver/internal/lifecycle"
	"devserver.io/devserver/internal/status"
)

// slack is what may lie between an agent's reckoning and the operator's.
const slack = 2 * time.Second

// errDeleted ends the pass over a DevServer that this pass deleted.
var errDeleted = errors.New("the DevServer was deleted by its lifecycle")

// live decides what is to become of the box, and makes the step that this
// takes. What it returns is the decision after that step.
func (r *Reconciler) live(ctx context.Context, d *devv1.DevServer, in *resolved) (lifecycle.Decision, error) {
	facts := r.facts(d, in)
	decision := lifecycle.Decide(in.policy, facts, r.Clock.Now())
	switch decision.Act {
	case lifecycle.ActSleep:
		if err := r.sleep(ctx, d, in, &decision, facts); err != nil {
			return decision, err
		}
	case lifecycle.ActDelete:
		return decision, r.deleteExpired(ctx, d, decision)
	case lifecycle.ActUnmark:
		if err := r.unmark(ctx, in.lease); err != nil {
			return decision, err
		}
	}
	return decision, nil
}

// facts are what is known of the box.
func (r *Reconciler) facts(d *devv1.DevServer, in *resolved) lifecycle.Facts {
	f := lifecycle.Facts{
		Suspend:     d.Spec.Suspend,
		RestartedAt: timeOf(d.Spec.RestartedAt),
		SuspendedAt: timeOf(d.Status.SuspendedAt),
		Lease:       leaseFacts(in.lease),
		Gone:        in.pod == nil,
		HoldUntil:   r.failures.note(client.ObjectKeyFromObject(d), in.pod, r.Clock.Now()),
	}
	pod := in.pod
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		return f
	}
	f.Pod = &lifecycle.Pod{StartedAt: timeOf(pod.Status.StartTime), ReadyAt: status.ReadySince(pod)}
	last, asked := r.Poller.Last(client.ObjectKeyFromObject(d), pod.UID)
	if !asked {
		return f
	}
	f.Pod.Silent = last.Silent()
	if last.At.IsZero() {
		return f
	}
	work, signal := last.LastWork()
	f.Pod.Sighting = &lifecycle.Sighting{LastWork: work, Signal: signal, Figures: last.Report.Figures(), Keep: last.Report.Keep()}
	return f
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
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

// sleep puts the box to sleep, which is to mark its Lease. For want of work,
// the agent is asked first, and refuses if there is work after all; and a
// Lease that was renewed since it was read refuses too: the session wins. The
// decision is then another one.
func (r *Reconciler) sleep(ctx context.Context, d *devv1.DevServer, in *resolved, decision *lifecycle.Decision, facts lifecycle.Facts) error {
	now := r.Clock.Now()
	if decision.Cause != lifecycle.CauseExpired {
		drained := r.Poller.Drain(ctx, client.ObjectKeyFromObject(d), box.Drain{
			Thresholds:  in.policy.Thresholds,
			IdleSeconds: max(0, now.Sub(decision.Work.Last)-slack).Seconds(),
		})
		if !drained {
			*decision = lifecycle.Decide(in.policy, r.facts(d, in), now)
			if decision.Act == lifecycle.ActSleep {
				// It says that it is at work, and shows none: it has the last word.
				decision.Act, decision.Again = lifecycle.ActNone, now.Add(time.Minute)
			}
			return nil
		}
	}
	mark := lifecycle.MarkOf(decision.Cause, facts, now)
	if err := r.mark(ctx, d, in.lease, mark); err != nil {
		return err
	}
	facts.Lease.Mark = &mark
	*decision = lifecycle.Decide(in.policy, facts, now)
	return nil
}

// mark writes the mark on the condition that the Lease is as it was read.
func (r *Reconciler) mark(ctx context.Context, d *devv1.DevServer, lease *coordinationv1.Lease, m lifecycle.Mark) error {
	if lease == nil {
		lease = newLease(d)
		lease.Annotations[lifecycle.AnnotationMark] = m.Text()
		return r.createLease(ctx, lease)
	}
	return r.patchLease(ctx, lease, map[string]any{"metadata": map[string]any{
		"resourceVersion": lease.ResourceVersion,
		"annotations":     map[string]any{lifecycle.AnnotationMark: m.Text()},
	}})
}

func (r *Reconciler) unmark(ctx context.Context, lease *coordinationv1.Lease) error {
	return r.patchLease(ctx, lease, map[string]any{"metadata": map[string]any{
		"uid":         lease.UID,
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
		return r.createLease(ctx, lease)
	}
	return r.patchLease(ctx, lease, map[string]any{
		"metadata": map[string]any{"uid": lease.UID},
		"spec":     map[string]any{"renewTime": at},
	})
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

// createLease treats one that is there already as a conflict: the cache shows
// it soon. One of somebody else it never shows, and the box stays awake.
func (r *Reconciler) createLease(ctx context.Context, lease *coordinationv1.Lease) error {
	err := r.Client.Create(ctx, lease, client.FieldOwner(apply.FieldOwner))
	if apierrors.IsAlreadyExists(err) {
		return apierrors.NewConflict(coordinationv1.Resource("leases"), lease.Name, err)
	}
	if err != nil {
		return fmt.Errorf("creating Lease %s/%s: %w", lease.Namespace, lease.Name, err)
	}
	return nil
}

// patchLease sends the fields that are meant and no others: a Lease has several
// writers.
func (r *Reconciler) patchLease(ctx context.Context, lease *coordinationv1.Lease, fields map[string]any) error {
	text, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("encoding the patch of Lease %s/%s: %w", lease.Namespace, lease.Name, err)
	}
	target := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: lease.Namespace, Name: lease.Name}}
	if err := r.Client.Patch(ctx, target, client.RawPatch(types.MergePatchType, text), apply.FieldOwner); err != nil {
		return fmt.Errorf("writing Lease %s/%s: %w", lease.Namespace, lease.Name, err)
	}
	return nil
}

// shield has autoscalers leave the pod where it is while the box is at work, or
// may be, and not while it is idle.
func (r *Reconciler) shield(ctx context.Context, pod *corev1.Pod, decision lifecycle.Decision) error {
	if pod == nil || !pod.DeletionTimestamp.IsZero() || !decision.Run || decision.Watched && decision.Work == nil {
		return nil
	}
	want := desired.Shield(decision.Work == nil || decision.Work.State != lifecycle.Idle)
	if maps.Equal(want, with(pod.Annotations, want)) {
		return nil
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": want}})
	if err != nil {
		return fmt.Errorf("encoding the annotations of Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	err = r.Client.Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, text), apply.FieldOwner)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("annotating Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// with is the part of have that want has the keys of.
func with(have, want map[string]string) map[string]string {
	part := map[string]string{}
	for key := range want {
		if value, ok := have[key]; ok {
			part[key] = value
		}
	}
	return part
}

// deleteExpired deletes a DevServer whose time is over, as it was read.
func (r *Reconciler) deleteExpired(ctx context.Context, d *devv1.DevServer, decision lifecycle.Decision) error {
	why := "Its time to live is over."
	if !decision.Run {
		why = "It was suspended for as long as lifecycle.deleteAfterSuspended allows."
	}
	uid, version := d.UID, d.ResourceVersion
	err := r.Client.Delete(ctx, d, client.Preconditions{UID: &uid, ResourceVersion: &version})
	switch {
	case apierrors.IsNotFound(err):
		return errDeleted
	case err != nil:
		return fmt.Errorf("deleting DevServer %s/%s: %w", d.Namespace, d.Name, err)
	}
	r.Recorder.Eventf(d, nil, corev1.EventTypeNormal, devv1.ReasonExpired, "Delete", "The DevServer is deleted. %s %s", why, status.HomeFate(d))
	return errDeleted
}

// scaleDown lets a box sleep that cannot be applied as a whole, because
// something that it names is missing: nobody's GPU waits for that.
func (r *Reconciler) scaleDown(ctx context.Context, in resolved) error {
	if !in.Asleep || in.set == nil || in.set.Spec.Replicas != nil && *in.set.Spec.Replicas == 0 {
		return nil
	}
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"replicas":0}}`, in.set.UID))
	if err := r.Client.Patch(ctx, in.set.DeepCopy(), patch, apply.FieldOwner); err != nil {
		return fmt.Errorf("scaling StatefulSet %s/%s down: %w", in.set.Namespace, in.set.Name, err)
	}
	return nil
}
