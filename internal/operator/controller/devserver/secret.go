package devserver

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

// maxPushes is how often an agent is tried that does not answer. The kubelet
// brings it the keys all the same, within two minutes.
const maxPushes = 5

// Delivery remembers what became of Secrets that nobody reads back.
type Delivery struct {
	mu    sync.Mutex
	boxes map[types.NamespacedName]delivery
	push  func(ctx context.Context, address string, in desired.Input) error
}

// NewDelivery returns a Delivery that speaks to agents.
func NewDelivery() *Delivery { return NewDeliveryTo(push) }

// NewDeliveryTo returns a Delivery that tells the keys of a box to push, with
// the address of its agent.
func NewDeliveryTo(push func(ctx context.Context, address string, in desired.Input) error) *Delivery {
	return &Delivery{boxes: map[types.NamespacedName]delivery{}, push: push}
}

type delivery struct {
	// hash is that of the Secret that was applied last, and at is when, or when
	// this process learnt that it had been.
	hash string
	at   time.Time
	// restores counts how often it was written again because of what the agent
	// sees of it. Agents may be wrong, so each time takes twice as long.
	restores int
	// pending is set until the running agent has its keys; pushes counts the
	// attempts.
	pending bool
	pushes  int
}

// maxRestores bounds the waiting for the next one to some days.
const maxRestores = 10

// told is the delivery once nothing is left to be told.
func (d delivery) told() delivery {
	d.pending, d.pushes = false, 0
	return d
}

func (d *Delivery) get(key types.NamespacedName) delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.boxes[key]
}

func (d *Delivery) set(key types.NamespacedName, state delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boxes[key] = state
}

func (d *Delivery) forget(key types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.boxes, key)
}

// deliverKeys applies the Secret of a server that exists, tells the running
// agent, and says when to try again to tell it. A new server's Secret is applied
// with its other objects.
func (r *Reconciler) deliverKeys(ctx context.Context, d *devv1.DevServer, in resolved) (time.Duration, error) {
	if in.set == nil || !d.DeletionTimestamp.IsZero() {
		return 0, nil
	}
	if err := r.applySecret(ctx, d, in); err != nil {
		return 0, err
	}
	return r.pushKeys(ctx, d, in, in.pod), nil
}

// applySecret applies the Secret unless it was applied with this content
// before, by this process or by one that left its hash on the StatefulSet.
func (r *Reconciler) applySecret(ctx context.Context, d *devv1.DevServer, in resolved) error {
	key, hash := client.ObjectKeyFromObject(d), desired.SecretHash(in.Input)
	last := r.Delivery.get(key)
	applied := last.hash == hash
	if !applied && in.set != nil && in.set.Annotations[desired.AnnotationSecretHash] == hash {
		applied, last.hash, last.at = true, hash, r.Clock.Now()
		r.Delivery.set(key, last)
	}
	// A pod that cannot mount its volumes casts doubt on that: the Secret may
	// have been deleted by hand, and only writing it again would tell.
	stuck := awaitsVolumes(in.pod) && r.Clock.Since(in.pod.CreationTimestamp.Time) > mountPatience
	edited := applied && r.edited(d, in, last)
	if applied && !stuck && !edited {
		return nil
	}
	if err := r.Applier.Apply(ctx, d, desired.Secret(in.Input)); err != nil {
		return err
	}
	if edited {
		r.Recorder.Eventf(d, nil, corev1.EventTypeWarning, "SecretRestored", "Apply", "The Secret %s was edited, and is as it was again.", desired.SecretName(d.Name))
	}
	next := delivery{hash: hash, at: r.Clock.Now(), pending: in.pod != nil}
	if edited {
		next.restores = min(last.restores+1, maxRestores)
	}
	r.Delivery.set(key, next)
	return nil
}

// pushKeys tells a running agent its keys where the Secret has just changed,
// and says when to try again. A pod that is not Ready yet is told when it is:
// it may have been given its volumes before.
func (r *Reconciler) pushKeys(ctx context.Context, d *devv1.DevServer, in resolved, pod *corev1.Pod) time.Duration {
	key := client.ObjectKeyFromObject(d)
	state := r.Delivery.get(key)
	if !state.pending || pod != nil && pod.DeletionTimestamp.IsZero() && !status.PodReady(pod) {
		return 0
	}
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		r.Delivery.set(key, state.told())
		return 0
	}
	address := net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(agentapi.ControlPort))
	err := r.Delivery.push(ctx, address, in.Input)
	state.pushes++
	if state.pending = err != nil && state.pushes < maxPushes; state.pending {
		r.Delivery.set(key, state)
		return time.Second << state.pushes
	}
	r.Delivery.set(key, state.told())
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("The agent could not be told its new keys. The kubelet brings them within two minutes.", "cause", err.Error())
	}
	return 0
}

func push(ctx context.Context, address string, in desired.Input) error {
	agent, err := control.NewClient(address, in.Keys.ControlKeyPEM, in.Keys.ControlToken)
	if err != nil {
		return err
	}
	return agent.SetAuthorizedKeys(ctx, desired.AuthorizedKeys(in))
}
