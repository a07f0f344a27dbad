package devserver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/serverstate"
)

// podPatience is how long a StatefulSet may take to create its pod before its
// events are read for the reason.
const podPatience = 5 * time.Second

// Some causes are reported only in events. Events are read only if something takes
// longer than it should, or if the clock is so far behind the API server's that the
// operator cannot know.

// podRefused reads from the StatefulSet's events why it has no pod, once it had
// time to create one. Nothing else reports that a quota or a Pod Security level refused
// it.
func (r *Reconciler) podRefused(ctx context.Context, set *appsv1.StatefulSet) (why string, again time.Duration, err error) {
	if !set.DeletionTimestamp.IsZero() {
		return "", 0, nil
	}
	if age := r.Clock.Since(set.CreationTimestamp.Time); age.Abs() < podPatience {
		return "", podPatience - age + time.Second, nil
	}
	why, err = r.latestEvent(ctx, set.Namespace, set.UID, "FailedCreate")
	return why, conflictRetry, err
}

// volumeFailure reads why a pod has waited long for its volumes or its sandbox: from
// the events of claims that are not bound, or from those of the pod, whose node
// cannot mount them, or has no user namespaces.
func (r *Reconciler) volumeFailure(ctx context.Context, pod *corev1.Pod) (why string, again time.Duration, err error) {
	unplaced := pod.Spec.NodeName == "" && pod.Status.Phase == corev1.PodPending
	if (!unplaced && !awaitsVolumes(pod)) || !pod.DeletionTimestamp.IsZero() {
		return "", 0, nil
	}
	if age := r.Clock.Since(pod.CreationTimestamp.Time); age.Abs() < mountPatience {
		return "", mountPatience - age + time.Second, nil
	}
	if unplaced {
		why, err = r.unboundClaims(ctx, pod)
	} else {
		why, err = r.latestEvent(ctx, pod.Namespace, pod.UID, "FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")
	}
	return why, conflictRetry, err
}

// unboundClaims names the claims whose provisioning failed, or that the scheduler
// waits for. A claim that waits for its pod to be placed is no failure.
func (r *Reconciler) unboundClaims(ctx context.Context, pod *corev1.Pod) (string, error) {
	var failures []string
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		claim, err := r.claim(ctx, pod.Namespace, volume.PersistentVolumeClaim.ClaimName)
		if err != nil {
			return "", err
		}
		if claim == nil || claim.Status.Phase == corev1.ClaimBound {
			continue
		}
		why, err := r.latestEvent(ctx, claim.Namespace, claim.UID, "ProvisioningFailed", "FailedBinding")
		if err != nil {
			return "", err
		}
		switch {
		case why != "":
			failures = append(failures, fmt.Sprintf("The PersistentVolumeClaim %s has no volume: %s", claim.Name, why))
		case serverstate.PodAwaitsClaims(pod):
			failures = append(failures, fmt.Sprintf("The PersistentVolumeClaim %s has no volume yet. The server starts when it has one. For details: kubectl describe pvc %s", claim.Name, claim.Name))
		}
	}
	return strings.Join(failures, " "), nil
}

// latestEvent returns the message of the newest event about an object with one of the
// reasons, or an empty string.
func (r *Reconciler) latestEvent(ctx context.Context, namespace string, uid types.UID, reasons ...string) (string, error) {
	list := &corev1.EventList{}
	if err := r.Live.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{"involvedObject.uid": string(uid)}); err != nil {
		return "", fmt.Errorf("listing the events about %s in namespace %s: %w", uid, namespace, err)
	}
	events := slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return !slices.Contains(reasons, e.Reason) })
	if len(events) == 0 {
		return "", nil
	}
	return slices.MaxFunc(events, func(a, b corev1.Event) int { return objects.EventTime(a).Compare(objects.EventTime(b)) }).Message, nil
}
