package user

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/account"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/status"
)

// outcome is the result of the apply step.
type outcome struct {
	problem *status.Problem
	// namespace is the user's, or empty if it is not theirs.
	namespace string
	// taken is set if another owner's object has a name that is required.
	taken bool
}

// apply writes what differs and deletes what is no longer desired. A name that
// is taken and an object that the API server refuses are problems that a user or admin
// can act on; every other error is retried.
//
// If the namespace is not, or no longer, the user's, all their rights in it
// are removed.
func (r *Reconciler) apply(ctx context.Context, u *devv1.DevServerUser, problem *status.Problem, want account.Objects) (outcome, error) {
	switch {
	case problem == nil:
	case problem.Reason == devv1.ReasonNamespaceTerminating:
		return outcome{problem: problem, namespace: u.Status.Namespace}, nil
	default:
		return outcome{problem: problem}, r.prune(ctx, u, account.Objects{})
	}

	err := r.Applier.ApplyAnnotated(ctx, objects.AnnotationOwner, u.Spec.Owner, want.Namespace)
	if conflict, ok := errors.AsType[*apply.ConflictError](err); ok {
		return outcome{problem: namespaceConflict(u, conflict), taken: true}, r.prune(ctx, u, account.Objects{})
	}
	if err != nil {
		problem, err = problemOf(err)
		return outcome{problem: problem, namespace: u.Status.Namespace}, err
	}
	done := outcome{namespace: account.NamespaceName(u)}
	if err := r.prune(ctx, u, want); err != nil {
		return done, err
	}
	err = r.applyAll(ctx, u, want.Limits, &done)
	if err == nil && done.problem == nil { // No rights without their limits.
		err = r.applyAll(ctx, u, want.Roles, &done)
	}
	return done, err
}

// applyAll applies each of the objects, even if others fail. It returns the
// first problem.
func (r *Reconciler) applyAll(ctx context.Context, u *devv1.DevServerUser, objects []runtime.ApplyConfiguration, done *outcome) error {
	var failed error
	for _, object := range objects {
		err := r.Applier.Apply(ctx, u, object)
		if err == nil {
			continue
		}
		_, taken := errors.AsType[*apply.ConflictError](err)
		done.taken = done.taken || taken
		problem, err := problemOf(err)
		if done.problem == nil {
			done.problem = problem
		}
		if failed == nil {
			failed = err
		}
		if problem == nil {
			return err
		}
	}
	return failed
}
