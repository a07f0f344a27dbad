// Package flavor keeps the status of DevServerFlavors true: what fits, what is
// in use, which one is the default.
//
// One pass is about all flavors, since what one of them has room for depends
// on the same nodes and pods as what the others have. What to say is decided
// in the pure package capacity.
package flavor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/report"
	"devserver.io/devserver/internal/operator/watchcache"
)

// Reconciler writes the status of the flavors.
type Reconciler struct {
	// Client reads from the watch cache, which has seen what this client wrote.
	Client client.Client
	// Cached is the watch cache's, which SetupWithManager puts there.
	Cached Cached
	Clock  clock.PassiveClock
	// NodePools reads Karpenter's NodePools. SetupWithManager replaces it by one
	// that watches them, from when Karpenter is installed.
	NodePools NodePools
	// next is when what happens is looked at next, at the earliest.
	next atomic.Pointer[time.Time]
}

// Cached is that of which there may be thousands.
type Cached struct {
	Pods    watchcache.Kind[*corev1.Pod]
	Servers watchcache.Kind[*devv1.DevServer]
}

// retry is when a flavor that somebody else wrote meanwhile is looked at again.
const retry = time.Second

// Reconcile makes one pass over all flavors.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	observed, again, err := r.observe(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	cluster := capacity.Sum(observed)
	now := r.Clock.Now()
	r.next.Store(new(now.Add(rest(observed))))
	result := ctrl.Result{RequeueAfter: again}
	var failed []error
	for i := range observed.Flavors {
		f := &observed.Flavors[i]
		_, err := report.Status(ctx, r.Client, f, &f.Status, cluster.Status(f, now))
		if apierrors.IsConflict(err) {
			result.RequeueAfter = retry
			continue
		}
		failed = append(failed, err)
	}
	return result, errors.Join(failed...)
}

// observe reads all that the status of a flavor depends on.
func (r *Reconciler) observe(ctx context.Context) (o capacity.Observed, again time.Duration, err error) {
	flavors, nodes, classes := &devv1.DevServerFlavorList{}, &corev1.NodeList{}, &nodev1.RuntimeClassList{}
	if err := r.Client.List(ctx, flavors); err != nil {
		return o, 0, fmt.Errorf("listing DevServerFlavors: %w", err)
	}
	// Nothing here changes these, and what this pass does not see yet comes with an
	// event.
	for _, list := range []client.ObjectList{nodes, classes} {
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
			return o, 0, fmt.Errorf("listing what decides about the room for flavors (%T): %w", list, err)
		}
	}
	o = capacity.Observed{
		Flavors: flavors.Items, Nodes: nodes.Items, Pods: r.Cached.Pods.All(),
		DevServers: r.Cached.Servers.All(), RuntimeClasses: classes.Items,
	}
	if r.NodePools != nil {
		o.NodePools, again, err = r.NodePools(ctx)
	}
	return o, again, err
}
