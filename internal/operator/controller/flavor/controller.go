// Package flavor writes the status of DevServerFlavors: how many servers fit, how
// many are in use, and which flavor is the default.
//
// One pass covers all flavors, because they share the same nodes. The pure package
// capacity computes the status.
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
	// Client reads from the watch cache, including what this client wrote.
	Client client.Client
	Clock  clock.PassiveClock
	// NodePools reads Karpenter's NodePools. SetupWithManager sets it to a
	// function that watches them while Karpenter is installed.
	NodePools NodePools
	// next is the earliest time at which an event may start another pass.
	next atomic.Pointer[time.Time]
}

// retry is how soon a pass follows a conflict in writing a status.
const retry = time.Second

// Reconcile makes one pass over all flavors.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	observed, again, err := r.observe(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	cluster := capacity.Sum(observed)
	now := r.Clock.Now()
	r.next.Store(new(now.Add(interval)))
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

// observe reads everything that the status of a flavor depends on, and returns how soon
// to do so again even without an event (0: not at all).
func (r *Reconciler) observe(ctx context.Context) (o capacity.Observed, again time.Duration, err error) {
	flavors := &devv1.DevServerFlavorList{}
	if err := r.Client.List(ctx, flavors); err != nil {
		return o, 0, fmt.Errorf("listing DevServerFlavors: %w", err)
	}
	// The lists below are not copied from the cache and must not be changed.
	nodes, pods, servers, classes := &corev1.NodeList{}, &corev1.PodList{}, &devv1.DevServerList{}, &nodev1.RuntimeClassList{}
	for _, list := range []client.ObjectList{nodes, pods, servers, classes} {
		if err := watchcache.List(ctx, r.Client, list); err != nil {
			return o, 0, err
		}
	}
	o = capacity.Observed{
		Flavors: flavors.Items, Nodes: nodes.Items, Pods: pods.Items, DevServers: servers.Items, RuntimeClasses: classes.Items,
	}
	if r.NodePools != nil {
		o.NodePools, again, err = r.NodePools(ctx)
	}
	return o, again, err
}
