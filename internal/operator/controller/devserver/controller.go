// Package devserver reconciles DevServers.
//
// A pass has five stages, one call each: fetch, resolve, desired, apply,
// status. The third and the last are pure and live in packages of their own.
package devserver

import (
	"cmp"
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// Reconciler makes the cluster match each DevServer, and each DevServer's
// status match the cluster.
type Reconciler struct {
	// Client reads from the watch cache, which has seen what this client wrote.
	Client client.Client
	// Live reads from the API server: events of a pod that is not there, and
	// an object whose apply was refused.
	Live     client.Reader
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	Applier  *apply.Applier
	Delivery *Delivery
	Poller   *agentclient.Poller
	// Gateway is told by the controller of the gateway.
	Gateway       *Gateway
	failures      failures
	departed      departed
	keys          keyring
	foreignLeases foreignLeases
	Config        Config
}

// Config is what the operator was started with.
type Config struct {
	// Master is the secret from which all keys derive.
	Master []byte
	// DefaultImage is the image of boxes whose DevServer and flavor name none.
	DefaultImage string
	// AgentImage is the image of the init container.
	AgentImage           string
	AgentImagePullPolicy corev1.PullPolicy
	// SSHHost is the host name of NodePorts. Empty: the pod's node's address.
	SSHHost string
	// GatewayNamespace is where the gateway and the operator run, if boxes are to
	// let nobody else in; otherwise it is empty.
	GatewayNamespace string
	// Lifecycle is for what neither a DevServer nor its flavor says.
	Lifecycle lifecycle.Defaults
}

const (
	// podPatience is how long a StatefulSet may take to create its pod before
	// its events are asked for the reason.
	podPatience = 5 * time.Second
	// mountPatience is how long a pod may wait for its volumes before the
	// Secret among them is written again.
	mountPatience = 20 * time.Second
	// conflictRetry is how often a name that somebody else has is tried again:
	// their objects are not watched.
	conflictRetry = 30 * time.Second
)

// Reconcile makes one pass over one DevServer.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	d := &devv1.DevServer{}
	if err := r.Client.Get(ctx, req.NamespacedName, d); err != nil {
		if apierrors.IsNotFound(err) {
			r.Delivery.forget(req.NamespacedName)
			r.Poller.Forget(req.NamespacedName)
			r.failures.forget(req.NamespacedName)
			r.departed.forget(req.NamespacedName)
			r.keys.forget(req.NamespacedName)
			r.foreignLeases.boxes.Delete(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	result, err := r.reconcile(ctx, d)
	if errors.Is(err, errDeleted) {
		return ctrl.Result{}, nil
	}
	if apierrors.IsConflict(err) {
		// Somebody wrote at the same time. The next pass sees what.
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return result, err
}

func (r *Reconciler) reconcile(ctx context.Context, d *devv1.DevServer) (ctrl.Result, error) {
	resolved, problem, err := r.resolveOwn(ctx, d)
	if err != nil {
		return ctrl.Result{}, err
	}
	// A removed key stops working before anything else can fail or take time.
	keysAgain, keysErr := r.deliverKeys(ctx, d, resolved)
	if dependency, err := r.resolve(ctx, d, &resolved); err != nil {
		return ctrl.Result{}, errors.Join(err, keysErr)
	} else if problem == nil {
		problem = dependency
	}
	var homeRefused *status.Problem
	var applyErr error
	decision := lifecycle.Decision{Run: true}
	if d.DeletionTimestamp.IsZero() {
		if decision, err = r.decide(ctx, d, &resolved); err != nil {
			return ctrl.Result{}, err
		}
		resolved.Asleep, resolved.GraceSeconds = !decision.Run, resolved.policy.GraceSeconds
		problem, homeRefused, applyErr = r.apply(ctx, d, resolved, problem, keysErr)
	}
	// The status is told the truth even where the apply failed.
	observed, again, err := r.observe(ctx, d)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.restart(ctx, d, observed); err != nil {
		return ctrl.Result{}, err
	}
	observed.Problem = problem
	observed.HomeRefused = homeRefused
	observed.Home = resolved.home
	observed.Flavor = resolved.flavorName()
	observed.Applied = problem == nil && applyErr == nil
	observed.Root = resolved.Flavor != nil && desired.GrantsRoot(resolved.Input)
	observed.HostKey = resolved.Keys.HostPublic
	observed.Gateway, observed.GatewayKnown = r.Gateway.At()
	observed.GatewayOnly = r.Config.GatewayNamespace != ""
	observed.Lifecycle, observed.Report = &decision, r.lastReport(d, observed.Pod)
	if err := r.writeStatus(ctx, d, status.Compute(d, observed, r.Clock.Now())); err != nil {
		return ctrl.Result{}, err
	}
	if observed.Pod != nil {
		r.departed.told(client.ObjectKeyFromObject(d), observed.Left)
	}
	// None of these is to wait for the others.
	again = sooner(again, keysAgain)
	r.watch(d, resolved, decision, observed.Pod)
	err = errors.Join(applyErr, r.shield(ctx, observed.Pod, decision), r.renew(ctx, d, resolved.lease, decision.Renew))
	if err != nil {
		return ctrl.Result{}, err
	}
	if problem != nil && problem.Reason == devv1.ReasonObjectConflict || homeRefused != nil || r.foreignLeases.has(client.ObjectKeyFromObject(d)) {
		again = sooner(again, conflictRetry)
	}
	if !decision.Again.IsZero() {
		again = sooner(again, max(decision.Again.Sub(r.Clock.Now()), time.Second))
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// sooner is the shorter of two waits, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// apply writes what differs, and says what hinders: what resolve found, a name
// that is taken, or an object that the API server refuses. Errors are retried.
func (r *Reconciler) apply(ctx context.Context, d *devv1.DevServer, in resolved, problem *status.Problem, keysErr error) (hinders, homeRefused *status.Problem, err error) {
	if problem != nil {
		return problem, nil, errors.Join(keysErr, r.scaleDown(ctx, in))
	}
	if hinders, err = r.applyObjects(ctx, d, in); hinders != nil || err != nil {
		return hinders, nil, errors.Join(err, r.scaleDown(ctx, in))
	}
	homeRefused, err = r.applyHome(ctx, d, in.home)
	return nil, homeRefused, err
}

func (r *Reconciler) applyObjects(ctx context.Context, d *devv1.DevServer, in resolved) (*status.Problem, error) {
	if err := r.prune(ctx, d); err != nil {
		return nil, err
	}
	objects, err := desired.Objects(in.Input)
	if err != nil {
		return problemOf(err)
	}
	// Unless deliverKeys has.
	if err := r.applySecret(ctx, d, in); err != nil {
		return problemOf(err)
	}
	for _, object := range objects {
		if err := r.Applier.Apply(ctx, d, object); err != nil {
			if in.NodePort != 0 && apierrors.IsInvalid(err) {
				if free, listErr := r.portReturns(ctx, in.NodePort, err); listErr != nil || free {
					return nil, cmp.Or(listErr, err)
				}
				// The port that the Service had is somebody else's; any other will do.
				in.NodePort = 0
				return r.applyObjects(ctx, d, in)
			}
			return problemOf(err)
		}
	}
	return nil, nil
}
