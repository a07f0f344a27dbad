package devserver

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/precedence"
)

// resolveHome refuses a home of another owner: the StatefulSet controller would
// mount any claim that has the right name.
func (r *Reconciler) resolveHome(ctx context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	name := desired.HomeClaimOf(d)
	in.UID, in.HomeRequest = homeUID(in), d.Spec.PersistentHomeSize
	if template := liveTemplate(in.set); template != nil {
		in.HomeRequest = template.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	switch {
	case name == "":
		return nil, nil
	case in.home == nil && !desired.HasOwnClaim(d):
		return &status.Problem{Reason: devv1.ReasonClaimNotFound, Message: fmt.Sprintf(
			"There is no PersistentVolumeClaim %q in the namespace %s for spec.home.claimName. The server starts once there is.", name, d.Namespace)}, nil
	case in.home == nil:
		return r.resolveDataSource(ctx, d)
	default:
		return r.checkHome(ctx, d, in.home)
	}
}

// homeUID: the files of a home that is there belong to the uid that it was
// made with. A new one gets the uid of its owner's DevServerUser.
func homeUID(in *resolved) int64 {
	if template := liveTemplate(in.set); template != nil {
		return desired.HomeUID(template.Annotations)
	}
	if in.home != nil {
		return desired.HomeUID(in.home.Annotations)
	}
	if in.user != nil && in.user.Spec.UID != 0 {
		return in.user.Spec.UID
	}
	return agentapi.UID
}

// liveTemplate is the template of the home's claim, which cannot be changed.
func liveTemplate(set *appsv1.StatefulSet) *corev1.PersistentVolumeClaim {
	if set == nil || len(set.Spec.VolumeClaimTemplates) == 0 {
		return nil
	}
	return &set.Spec.VolumeClaimTemplates[0]
}

func (r *Reconciler) checkHome(ctx context.Context, d *devv1.DevServer, claim *corev1.PersistentVolumeClaim) (*status.Problem, error) {
	owner, ok := claim.Annotations[desired.AnnotationOwner]
	if problem := notTheirs(d, "PersistentVolumeClaim", claim.Name, owner, ok); problem != nil {
		return problem, nil
	}
	if !claim.DeletionTimestamp.IsZero() {
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The PersistentVolumeClaim %s with the home directory is being deleted. The server starts with a new one when it is gone.", claim.Name)}, nil
	}
	if claim.Status.Phase == corev1.ClaimLost {
		return lost(claim, "the home directory"), nil
	}
	if user, err := r.homeUser(ctx, d, claim.Name, true); err != nil || user != "" {
		return inUse(claim.Name, "the home directory", user), err
	}
	return nil, nil
}

func notTheirs(d *devv1.DevServer, kind, name, owner string, annotated bool) *status.Problem {
	switch {
	case annotated && owner == d.Spec.Owner:
		return nil
	case annotated:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The home directory in the %s %s belongs to %s. It is left as it is: choose another name for the DevServer.", kind, name, owner)}
	default:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The %s %s is there and is no home directory of %s. It is left as it is: choose another name for the DevServer, or, to make it their home, annotate it with %s=%s.",
			kind, name, d.Spec.Owner, desired.AnnotationOwner, d.Spec.Owner)}
	}
}

// homeUser is the name of another DevServer whose home the claim is. Between
// two that ask for one home, the older has it.
func (r *Reconciler) homeUser(ctx context.Context, d *devv1.DevServer, claim string, asHome bool) (string, error) {
	users := &devv1.DevServerList{}
	if err := watchcache.List(ctx, r.Client, users, client.InNamespace(d.Namespace), client.MatchingFields{watchcache.FieldClaim: claim}); err != nil {
		return "", err
	}
	user := precedence.Oldest(precedence.Each(users.Items), func(other *devv1.DevServer) bool {
		return other.UID != d.UID && desired.HomeClaimOf(other) == claim && (!asHome || precedence.Compare(other, d) < 0)
	})
	if user == nil {
		return "", nil
	}
	return user.Name, nil
}

// resolveHomeSize holds the size to the flavor's bounds.
func (r *Reconciler) resolveHomeSize(_ context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	if d.Spec.Home != nil && d.Spec.Home.ClaimName != "" {
		return nil, nil
	}
	if refused := desired.HomeSizeRefused(d.Spec.PersistentHomeSize, in.Flavor); refused != "" {
		return &status.Problem{Reason: devv1.ReasonHomeSizeNotAllowed, Message: refused}, nil
	}
	return nil, nil
}

// resolveDataSource refuses to make a home out of somebody else's. It is asked
// only while there is no home yet.
func (r *Reconciler) resolveDataSource(ctx context.Context, d *devv1.DevServer) (*status.Problem, error) {
	if d.Spec.Home == nil || d.Spec.Home.DataSource == nil {
		return nil, nil
	}
	source := d.Spec.Home.DataSource
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(desired.SourceKind(source))
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: source.Name}, object)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return &status.Problem{Reason: devv1.ReasonClaimNotFound, Message: fmt.Sprintf(
			"There is no %s %q in the namespace %s for spec.home.dataSource. The server starts once there is.", source.Kind, source.Name, d.Namespace)}, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s/%s: %w", source.Kind, d.Namespace, source.Name, err)
	}
	owner, ok := object.Annotations[desired.AnnotationOwner]
	return notTheirs(d, source.Kind, source.Name, owner, ok), nil
}

// applyHome lets the home's claim grow, and go or stay with the DevServer. A
// refusal hinders nothing else: it is said in a condition of its own.
func (r *Reconciler) applyHome(ctx context.Context, d *devv1.DevServer, claim *corev1.PersistentVolumeClaim) (*status.Problem, error) {
	if claim == nil || !desired.HasOwnClaim(d) || !claim.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	refused, err := r.applyClaim(ctx, desired.HomeClaim(d, claim, true))
	if refused == nil || err != nil {
		return nil, err
	}
	// What becomes of the home does not depend on whether it can grow.
	if _, err := r.applyClaim(ctx, desired.HomeClaim(d, claim, false)); err != nil {
		return nil, err
	}
	return refused, nil
}

func (r *Reconciler) applyClaim(ctx context.Context, want *corev1ac.PersistentVolumeClaimApplyConfiguration) (refused *status.Problem, err error) {
	if want == nil {
		return nil, nil
	}
	err = r.Client.Apply(ctx, want, apply.FieldOwner, client.ForceOwnership)
	switch {
	case err == nil:
		return nil, nil
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return &status.Problem{Reason: devv1.ReasonResizeFailed, Message: "A quota does not let the home directory's volume grow: " + apiMessage(err)}, nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return &status.Problem{Reason: devv1.ReasonNotExpandable, Message: "The home directory's volume cannot grow: " + apiMessage(err)}, nil
	default:
		return nil, fmt.Errorf("applying PersistentVolumeClaim %s/%s: %w", *want.Namespace, *want.Name, err)
	}
}
