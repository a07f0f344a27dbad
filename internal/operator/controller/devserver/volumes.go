package devserver

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

// resolveVolumes gathers the claims that are mounted beside the home.
func (r *Reconciler) resolveVolumes(ctx context.Context, in *resolved) (*status.Problem, error) {
	volumes, err := desired.MergeVolumes(in.server, in.input.Flavor)
	if err != nil {
		return &status.Problem{Reason: devv1.ReasonVolumeConflict, Message: err.Error() + "."}, nil //nolint:nilerr // It is reported in the status.
	}
	for _, v := range volumes {
		if problem, err := r.checkClaim(ctx, in.server, v); problem != nil || err != nil {
			return problem, err
		}
	}
	in.input.Volumes = volumes
	return nil, nil
}

// checkClaim refuses a claim that does not exist or has lost its volume, and every
// home: another owner's must not be readable here, and the owner's own is mounted
// by its own pod, which alone may write to it.
func (r *Reconciler) checkClaim(ctx context.Context, d *devv1.DevServer, v desired.Volume) (*status.Problem, error) {
	claim, err := r.claim(ctx, d.Namespace, v.Claim)
	if err != nil {
		return nil, err
	}
	if claim == nil || !claim.DeletionTimestamp.IsZero() {
		return claimNotFound("PersistentVolumeClaim", v.Claim, d.Namespace, v.Field), nil
	}
	if claim.Status.Phase == corev1.ClaimLost {
		return lost(claim, v.Field), nil
	}
	owner, isHome := claim.Annotations[objects.AnnotationOwner]
	if isHome && owner != d.Spec.Owner {
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The PersistentVolumeClaim %s for %s is a home directory of %s. Name another claim.", v.Claim, v.Field, owner)}, nil
	}
	if user, err := r.homeUser(ctx, d, v.Claim, false); err != nil || user != "" {
		return inUse(v.Claim, v.Field, user), err
	}
	return nil, nil
}

func lost(claim *corev1.PersistentVolumeClaim, field string) *status.Problem {
	return &status.Problem{Reason: devv1.ReasonClaimNotBound, Message: fmt.Sprintf(
		"The PersistentVolumeClaim %s for %s has lost its volume %s. Ask an admin what happened to it.", claim.Name, field, claim.Spec.VolumeName)}
}

func inUse(claim, field, user string) *status.Problem {
	return &status.Problem{Reason: devv1.ReasonClaimInUse, Message: fmt.Sprintf(
		"The PersistentVolumeClaim %s for %s is the home directory of DevServer %s, and only one server can use a home. The server starts when DevServer %s is deleted or has another home.", claim, field, user, user)}
}
