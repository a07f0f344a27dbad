package devserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// slack is what may lie between an agent's reckoning and the operator's.
const slack = 2 * time.Second

// errDeleted ends the pass over a DevServer that this pass deleted.
var errDeleted = errors.New("the DevServer was deleted by its lifecycle")

// decide decides what is to become of the box, and makes the step that this
// takes. What it returns is the decision after that step.
func (r *Reconciler) decide(ctx context.Context, d *devv1.DevServer, in *resolved) (lifecycle.Decision, error) {
	decision := lifecycle.Decide(in.policy, r.facts(d, in), r.Clock.Now())
	if decision.Act == lifecycle.ActSleep {
		var err error
		if decision, err = r.sleep(ctx, d, in, decision); err != nil {
			return decision, err
		}
	}
	if !decision.Run {
		r.departed.forget(client.ObjectKeyFromObject(d))
	}
	switch decision.Act {
	case lifecycle.ActDelete:
		return decision, r.deleteExpired(ctx, d, decision)
	case lifecycle.ActUnmark:
		// It may have been drained a moment ago.
		r.Poller.Release(ctx, client.ObjectKeyFromObject(d))
		return decision, r.unmark(ctx, in.lease)
	}
	return decision, nil
}

// facts are what is known of the box.
func (r *Reconciler) facts(d *devv1.DevServer, in *resolved) lifecycle.Facts {
	key, now := client.ObjectKeyFromObject(d), r.Clock.Now()
	f := lifecycle.Facts{
		Suspend:     d.Spec.Suspend,
		Resumed:     resumed(d),
		RestartedAt: timeOf(d.Spec.RestartedAt),
		SuspendedAt: timeOf(d.Status.SuspendedAt),
		DeletesAt:   timeOf(d.Status.DeletesAt),
		Lease:       leaseFacts(in.lease),
		Gone:        in.pod == nil,
		HoldUntil:   r.failures.note(key, r.lastEnded(key, in.pod), now),
	}
	f.Lease.Foreign = in.lease == nil && r.foreignLeases.has(key)
	if e := d.Status.Expired; e != nil {
		f.Expired = &lifecycle.Expiry{RestartedAt: timeOf(e.RestartedAt)}
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionStopPending); c != nil && c.Reason == devv1.ReasonStopImminent {
		f.AnnouncedAt = c.LastTransitionTime.Time
	}
	if pod := in.pod; pod != nil && pod.DeletionTimestamp.IsZero() {
		f.Pod = r.podFacts(d, pod)
	}
	return f
}

// lastEnded is the pod of the box that ended last: the one that is there, or the
// one before it.
func (r *Reconciler) lastEnded(box types.NamespacedName, pod *corev1.Pod) *corev1.Pod {
	if left := r.departed.before(box, pod); left != nil && !failed(pod) {
		return left
	}
	return pod
}

// resumed tells whether the owner resumed the box, or may have suspended and
// resumed it while nobody looked: two edits at least, of which the last alone is
// seen. Two others are taken for that, and wake a box that sleeps: whoever edits
// it is awake.
func resumed(d *devv1.DevServer) bool {
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionReady); c != nil && c.Reason == devv1.ReasonSuspended {
		return !d.Spec.Suspend
	}
	return d.Status.ObservedGeneration > 0 && d.Generation-d.Status.ObservedGeneration >= 2
}

// podFacts are what is known of a pod that stays. Its node's clock may be
// behind the API server's.
func (r *Reconciler) podFacts(d *devv1.DevServer, pod *corev1.Pod) *lifecycle.Pod {
	p := &lifecycle.Pod{ReadyAt: status.ReadySince(pod), ReadyUntil: status.ReadyUntil(pod)}
	if started := timeOf(pod.Status.StartTime); !started.IsZero() {
		p.StartedAt = started
		if created := pod.CreationTimestamp.Time; created.After(started) {
			p.StartedAt = created
		}
		p.Hindered = status.Hindered(d, pod)
	}
	last, asked := r.Poller.Last(client.ObjectKeyFromObject(d), pod.UID)
	if !asked {
		return p
	}
	p.Silent, p.TooOld = last.Silent(), last.TooOld()
	if !last.At.IsZero() {
		work, signal := last.LastWork()
		p.Sighting = &lifecycle.Sighting{LastWork: work, Signal: signal, Figures: last.Report.Figures(), Keep: last.Report.Keep()}
	}
	return p
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// sleep puts the box to sleep, if nothing is against it, and returns what is
// decided then.
func (r *Reconciler) sleep(ctx context.Context, d *devv1.DevServer, in *resolved, decision lifecycle.Decision) (lifecycle.Decision, error) {
	if decision.Cause == lifecycle.CauseExpired {
		return r.expire(ctx, d, in)
	}
	now := r.Clock.Now()
	// Where no container runs, there is nobody to ask.
	drained := decision.Hindered != "" || r.Poller.Drain(ctx, client.ObjectKeyFromObject(d), agentapi.Drain{
		Thresholds:  in.policy.Thresholds,
		IdleSeconds: max(0, now.Sub(decision.Work.Last)-slack).Seconds(),
	})
	facts := r.facts(d, in)
	facts.Resumed = false // That was before this.
	if drained {
		mark := lifecycle.MarkOf(decision.Cause, facts, now)
		if err := r.mark(ctx, d, in.lease, mark); err != nil {
			// The session wins: whoever renewed the Lease is about to log in.
			r.Poller.Release(ctx, client.ObjectKeyFromObject(d))
			return decision, err
		}
		facts.Lease.Mark = &mark
	}
	decision = lifecycle.Decide(in.policy, facts, now)
	if decision.Act == lifecycle.ActSleep {
		// The agent says that there is work, and shows none. It has the last word,
		// and what was said of the box stands.
		decision.Act, decision.Work, decision.Again = lifecycle.ActNone, nil, now.Add(time.Minute)
	}
	return decision, nil
}

// expire notes in the status, before anything is stopped, that the time to live
// is over: only the owner can undo that.
func (r *Reconciler) expire(ctx context.Context, d *devv1.DevServer, in *resolved) (lifecycle.Decision, error) {
	s := *d.Status.DeepCopy()
	s.Expired = &devv1.ExpiredStatus{Time: lifecycle.Time(r.Clock.Now()), RestartedAt: d.Spec.RestartedAt}
	if err := r.writeStatus(ctx, d, s); err != nil {
		return lifecycle.Decision{}, err
	}
	facts := r.facts(d, in)
	facts.Resumed = false // That was before this.
	return lifecycle.Decide(in.policy, facts, r.Clock.Now()), nil
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
// something that it names is missing, or refused: nobody's GPU waits for that.
func (r *Reconciler) scaleDown(ctx context.Context, in resolved) error {
	if !in.Asleep || in.set == nil || ptr.Deref(in.set.Spec.Replicas, 1) == 0 {
		return nil
	}
	return r.patch(ctx, in.set.DeepCopy(), map[string]any{"spec": map[string]any{"replicas": 0}})
}
