// Package devserver reconciles DevServers.
//
// A pass over one DevServer has these steps, in this order:
//
//   - resolve what belongs to the DevServer alone (resolveOwn);
//   - deliver its keys: apply the Secret and have the keys pushed to the agent;
//   - resolve what the DevServer depends on (resolve);
//   - decide: lifecycle.Decide, which is pure, says whether the server runs, is
//     suspended, or is deleted;
//   - carry out: package transition takes the step that the decision requires;
//   - apply: render the objects, which is pure (package desired), and apply those
//     that differ;
//   - observe: read the state of the objects;
//   - restart: delete the pod if the DevServer's settings require it;
//   - update the agent: decide, which is pure (package agentupdate), and carry out;
//   - write the status, whose computation is pure (package status);
//   - follow up: poll the agent, protect the pod, renew the Lease.
//
// All reads use the watch cache, except these, which go to the API server:
//
//   - an object whose apply was refused (package apply);
//   - the source of a new home (resolveDataSource);
//   - the Services, when a node port is refused (portIsFree);
//   - the Lease, if creating it fails because it already exists (createLease);
//   - the events of an object that takes longer than it should (causes.go);
//   - the pod that pulls the agent's image, and the operator's own pod (pull.go).
//
// All writes are made by these functions:
//
//   - applySecret and applyObjects apply the objects, through package apply, and
//     applyClaim applies the home's claim;
//   - deleteSSHService, restart (the pod), deletePull (a pod that pulled the agent's
//     image) and server.Delete (the DevServer) delete;
//   - pull creates a pod that pulls the agent's image;
//   - patchAgent changes the annotations of a running pod and the image of its SSH
//     server;
//   - createLease creates the Lease; patch changes single fields of the Lease, the
//     pod's annotations and the StatefulSet (callers: server.RecordSuspension,
//     server.ClearSuspension, renew, protect and scaleDown);
//   - writeStatus writes the status, through package report;
//   - writeStatus, applySecret, restart, carryOutAgentUpdate and server.Delete record
//     events.
//
// A write whose object has changed since it was read returns errStale, which ends the
// pass; another pass follows.
//
// A pass never waits for an agent, whose answer may take seconds: users control their
// servers, and few passes run at a time. It asks the agentclient.Poller, ends without the
// answer, and the answer leads to another pass (callers: pushKeys, server.Drain,
// server.Release, updateAgent, carryOutAgentUpdate and poll).
package devserver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/transition"
	"devserver.io/devserver/internal/policy"
)

// Reconciler makes the cluster match each DevServer, and each DevServer's
// status match the cluster.
type Reconciler struct {
	// Client reads from the watch cache. Its reads reflect its own earlier writes.
	Client client.Client
	// Live reads from the API server.
	Live     client.Reader
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	Applier  *apply.Applier
	// Poller calls the agents.
	Poller *agentclient.Poller
	// Gateway holds the gateway's address, which the gateway's own controller sets.
	Gateway *Gateway
	Config  Config

	memory memory
	// agentUpdates is held while the update of an agent is started.
	agentUpdates sync.Mutex
}

// Config has the settings of the operator that the controller needs.
type Config struct {
	// Master is the secret from which all keys derive.
	Master []byte
	// DefaultImage is the image of servers whose DevServer and flavor do not set one.
	DefaultImage string
	// DefaultImagePullPolicy is when nodes pull DefaultImage. If it is empty, the
	// DevServer or its flavor decides.
	DefaultImagePullPolicy corev1.PullPolicy
	// AgentImage is the image of the init container and of the SSH server.
	AgentImage           string
	AgentImagePullPolicy corev1.PullPolicy
	// SSHHost is the host in status.ssh of servers with a NodePort. If it is empty, the
	// address of the pod's node is used.
	SSHHost string
	// Services is what spec.ssh.service may contain.
	Services policy.Services
	// GatewayNamespace is the namespace of the gateway and the operator. It is set only
	// if NetworkPolicies allow only the gateway and the operator to connect to servers.
	GatewayNamespace string
	// Agents is how running servers get a new version of the agent.
	Agents Agents
	// Lifecycle has the defaults for fields that neither the DevServer nor its flavor
	// sets.
	Lifecycle policy.Defaults
}

// Agents is how running servers get a new version of the agent.
type Agents struct {
	Update agentupdate.Policy
	// Namespace and Pod are the operator's own. Pod is empty if it does not run in one.
	Namespace, Pod string
}

const (
	// staleRetry is the delay between a pass that ended with errStale and the next
	// pass. It gives the watch cache time to receive the change.
	staleRetry = time.Second
	// conflictRetry is how often the operator rechecks an object that belongs to
	// another owner, or one that it does not watch.
	conflictRetry = 30 * time.Second
)

// errStale ends a pass whose write found that the object had changed since it was read.
// The change causes another pass.
var errStale = errors.New("the object has changed since it was read")

// errDeleted ends a pass that deleted its DevServer.
var errDeleted = errors.New("the DevServer was deleted by its lifecycle")

// Reconcile makes one pass over one DevServer.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	d := &devv1.DevServer{}
	if err := r.Client.Get(ctx, req.NamespacedName, d); err != nil {
		if apierrors.IsNotFound(err) {
			r.memory.forget(req.NamespacedName)
			r.Poller.Forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	again, err := r.reconcile(ctx, d)
	switch {
	case errors.Is(err, errDeleted):
		return ctrl.Result{}, nil
	case errors.Is(err, errStale):
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

func (r *Reconciler) reconcile(ctx context.Context, d *devv1.DevServer) (again time.Duration, err error) {
	own, err := r.resolveOwn(ctx, d)
	if err != nil {
		return 0, err
	}
	// This comes first, so that a removed key stops working even if a later step fails.
	pushing, keysErr := r.deliverKeys(ctx, own)
	if pushing {
		// An operator that starts before the agent has its keys pushes them again.
		own.input.DeliveredHash = own.set.Annotations[objects.AnnotationSecretHash]
	}
	in, err := r.resolve(ctx, own)
	if err != nil {
		return 0, join(err, keysErr)
	}
	own.memory.noteFailure(own.pod, r.Clock.Now())

	run := lifecycle.Decision{Run: true}
	applied := applied{problem: in.problem}
	if d.DeletionTimestamp.IsZero() {
		run = lifecycle.Decide(in.policy, r.facts(in), r.Clock.Now())
		if run, err = transition.CarryOut(ctx, &server{r, in}, run); err != nil {
			return 0, join(err, keysErr)
		}
		applied = r.apply(ctx, in, run, keysErr)
	}

	// The status is written even if the apply failed.
	observed, observeAgain, err := r.observe(ctx, in, run, applied)
	if err != nil {
		return 0, join(err, applied.err)
	}
	if err := r.restart(ctx, d, observed); err != nil {
		return 0, join(err, applied.err)
	}
	update, updateErr := r.updateAgent(ctx, in, run, &observed)
	if updateErr == nil {
		observed.Agent, observed.Report = update, r.lastReport(in, observed.Pod)
	}
	if err := r.writeStatus(ctx, d, status.Compute(d, observed, r.Clock.Now())); err != nil {
		return 0, join(err, applied.err)
	}
	if err := join(applied.err, updateErr, r.followUp(ctx, in, run, observed)); err != nil {
		return 0, err
	}
	again = sooner(observeAgain, r.retry(in, applied), r.until(run.RequeueAt))
	if update != nil {
		again = sooner(again, r.until(update.RequeueAt))
	}
	return again, nil
}

// followUp takes the steps that follow from the decision and the status. It takes each
// of them even if another one fails.
func (r *Reconciler) followUp(ctx context.Context, in resolved, run lifecycle.Decision, o status.Observed) error {
	switch {
	case !run.Run:
		in.memory.forgetDisrupted(nil) // The server is meant to be stopped, so this is not a disruption to report.
	case o.Pod != nil:
		in.memory.forgetDisrupted(o.Disrupted) // The status now reports the disruption.
	}
	r.poll(in, run, o)
	return join(
		r.protect(ctx, o.Pod, run),
		r.renew(ctx, in, run.Renew))
}

// retry returns how long to wait before the next pass if the server has a problem whose
// end the operator might not see in its watches; otherwise 0.
func (r *Reconciler) retry(in resolved, a applied) time.Duration {
	if (a.problem != nil && a.problem.Reason == devv1.ReasonObjectConflict) || a.homeRefused != nil || in.foreignLease() || in.unwatched {
		return conflictRetry
	}
	return 0
}

// until returns how long to wait for the time at, but never less than one second. If at
// is zero, it returns 0.
func (r *Reconciler) until(at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(at.Sub(r.Clock.Now()), time.Second)
}

// sooner returns the shortest of the waits that are not 0, or 0 if all are 0.
func sooner(waits ...time.Duration) time.Duration {
	waits = slices.DeleteFunc(waits, func(wait time.Duration) bool { return wait == 0 })
	if len(waits) == 0 {
		return 0
	}
	return slices.Min(waits)
}

// join joins errors. It drops errStale if there is any other error, because
// Reconcile retries errStale silently and would hide that error.
func join(errs ...error) error {
	others := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil || errors.Is(err, errStale) })
	if len(others) > 0 {
		errs = others
	}
	return errors.Join(errs...)
}
