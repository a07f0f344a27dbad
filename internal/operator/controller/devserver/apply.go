package devserver

import (
	"cmp"
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// applied is what came of applying the objects of a DevServer.
type applied struct {
	// problem is why they are not as desired: what resolve found, a name that is
	// taken, or an object that the API server refuses.
	problem *status.Problem
	// homeRefused is why the home's claim does not grow.
	homeRefused *status.Problem
	// err is an error for which the pass is retried.
	err error
}

// apply applies the objects that differ. keysErr is what deliverKeys returned.
func (r *Reconciler) apply(ctx context.Context, in resolved, run lifecycle.Decision, keysErr error) applied {
	in.input.Suspended = !run.Run
	if in.problem != nil {
		return applied{problem: in.problem, err: join(keysErr, r.scaleDown(ctx, in))}
	}
	if problem, err := r.applyObjects(ctx, in, keysErr); problem != nil || err != nil {
		return applied{problem: problem, err: join(err, r.scaleDown(ctx, in))}
	}
	refused, err := r.applyHome(ctx, in.server, in.home)
	return applied{homeRefused: refused, err: err}
}

func (r *Reconciler) applyObjects(ctx context.Context, in resolved, keysErr error) (*status.Problem, error) {
	d := in.server
	if d.Spec.SSH.Service.Type == devv1.SSHServiceNone {
		if err := r.deleteSSHService(ctx, d); err != nil {
			return nil, err
		}
	}
	configs, err := desired.Objects(in.input)
	if err != nil {
		return problemOf(err)
	}
	if in.set == nil {
		keysErr = r.applySecret(ctx, in.own) // deliverKeys does not apply the Secret of a new server.
	}
	if keysErr != nil {
		return problemOf(keysErr)
	}
	for _, config := range configs {
		err := r.Applier.Apply(ctx, d, config)
		if in.input.NodePort != 0 && refusesNodePort(err, objects.SSHServiceName(d.Name)) {
			if free, listErr := r.portIsFree(ctx, in.input.NodePort, err); listErr != nil || free {
				return nil, cmp.Or(listErr, err)
			}
			// Another Service has taken the port that this one had.
			in.input.NodePort = 0
			err = r.Applier.Apply(ctx, d, desired.SSHService(in.input))
		}
		if err != nil {
			return problemOf(err)
		}
	}
	return nil, nil
}

// deleteSSHService deletes the SSH Service, if it exists.
func (r *Reconciler) deleteSSHService(ctx context.Context, d *devv1.DevServer) error {
	service, err := get(ctx, r, d, objects.SSHServiceName(d.Name), &corev1.Service{})
	if err != nil || service == nil || !service.DeletionTimestamp.IsZero() {
		return err
	}
	err = r.Client.Delete(ctx, service, client.Preconditions{UID: new(service.UID)})
	return written(client.IgnoreNotFound(err), "deleting Service %s/%s", service.Namespace, service.Name)
}

// scaleDown suspends a server whose objects cannot be applied, because a dependency is
// missing or an object was refused. A problem must not keep its GPUs occupied.
func (r *Reconciler) scaleDown(ctx context.Context, in resolved) error {
	if !in.input.Suspended || in.set == nil || ptr.Deref(in.set.Spec.Replicas, 1) == 0 {
		return nil
	}
	return r.patch(ctx, in.set.DeepCopy(), map[string]any{"spec": map[string]any{"replicas": 0}})
}
