package devserver

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

const (
	// mountPatience is how long a pod may wait for its volumes before the Secret
	// among them is applied again.
	mountPatience = 20 * time.Second
	// kubeletDelay is longer than a kubelet takes to bring a changed Secret into a
	// pod: what the agent sees then is what the Secret holds.
	kubeletDelay = 4 * time.Minute
	// maxRestores bounds the wait for the next restore to some days.
	maxRestores = 10
)

// delivery is the state of a server's Secret, as far as this process knows: the Secret
// is never read back.
type delivery struct {
	// hash is the hash of the Secret that was applied last, and at is when it was
	// applied, or when this process learned that it had been.
	hash string
	at   time.Time
	// number counts how often it was applied.
	number int
	// restores counts how often the Secret was applied again because of what the
	// agent sees of it. Agents may be wrong, so each time takes twice as long.
	restores int
	// pending is set until the running agent has its keys.
	pending bool
}

// deliverKeys applies the Secret of a server that exists, and has the keys pushed to its
// agent. The Secret of a new server is applied with its other objects. It returns whether
// the agent is still being given its keys.
func (r *Reconciler) deliverKeys(ctx context.Context, o own) (pushing bool, err error) {
	if o.set == nil || !o.server.DeletionTimestamp.IsZero() {
		return false, nil
	}
	if err := r.applySecret(ctx, o); err != nil {
		return false, err
	}
	return r.pushKeys(ctx, o), nil
}

// applySecret applies the Secret unless it was applied with this content before,
// by this process or by one that left its hash on the StatefulSet.
func (r *Reconciler) applySecret(ctx context.Context, o own) error {
	hash := desired.SecretHash(o.input)
	last := &o.memory.secret
	known := last.hash == hash
	if !known && o.set != nil && o.set.Annotations[objects.AnnotationSecretHash] == hash {
		known, last.hash, last.at = true, hash, r.Clock.Now()
	}
	// If a pod cannot mount its volumes, the Secret may have been deleted. It cannot be
	// read, so it is applied again.
	stuck := awaitsVolumes(o.pod) && r.Clock.Since(o.pod.CreationTimestamp.Time) > mountPatience
	edited := known && r.secretEdited(o)
	if known && !stuck && !edited {
		return nil
	}
	if err := r.Applier.Apply(ctx, o.server, desired.Secret(o.input)); err != nil {
		return written(err, "applying the keys of DevServer %s", o.key())
	}
	restores := 0
	if edited {
		r.Recorder.Eventf(o.server, nil, corev1.EventTypeWarning, "SecretRestored", "Apply", "The Secret %s was edited. Its content was restored.", objects.SecretName(o.server.Name))
		restores = min(last.restores+1, maxRestores)
	}
	*last = delivery{hash: hash, at: r.Clock.Now(), number: last.number + 1, pending: o.pod != nil, restores: restores}
	return nil
}

// secretEdited tells whether the Secret was changed after it was applied, from the hash
// that the agent reports. The operator does not read the Secrets of servers.
func (r *Reconciler) secretEdited(o own) bool {
	applied := o.memory.secret
	if o.pod == nil || applied.at.IsZero() {
		return false
	}
	last, asked := r.Poller.Last(o.key(), o.pod.UID)
	if !asked || last.Report.SecretHash == "" || last.At.Sub(applied.at) < kubeletDelay<<applied.restores {
		return false
	}
	return last.Report.SecretHash != desired.SecretFilesHash(o.input)
}

// pushKeys has the Poller give a running agent its keys if the Secret has just changed,
// and returns whether it is doing so: once it has, another pass follows. A pod that is not
// Ready yet gets the keys when it is: it may have mounted its volumes before the change.
func (r *Reconciler) pushKeys(ctx context.Context, o own) (pushing bool) {
	last, pod := &o.memory.secret, o.pod
	switch {
	case !last.pending:
		return false
	case pod == nil, !pod.DeletionTimestamp.IsZero():
		last.pending = false
		return false
	case !status.PodReady(pod):
		return false
	}
	keys := agentclient.Keys{Number: last.number, Text: desired.AuthorizedKeys(o.input)}
	done, err := r.Poller.SetAuthorizedKeys(o.key(), pod.UID, agentAddress(o, pod), keys)
	if last.pending = !done; err != nil {
		ctrl.LoggerFrom(ctx).Info("The agent did not take its new keys. The kubelet brings them within two minutes.", "cause", err.Error())
	}
	return last.pending
}

// awaitsVolumes tells whether a pod has a node, but not yet its volumes and its
// sandbox.
func awaitsVolumes(pod *corev1.Pod) bool {
	if pod == nil || pod.Spec.NodeName == "" || pod.Status.Phase != corev1.PodPending || !pod.DeletionTimestamp.IsZero() {
		return false
	}
	c := status.Condition(pod, corev1.PodReadyToStartContainers)
	return c == nil || c.Status != corev1.ConditionTrue
}
