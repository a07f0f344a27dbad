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
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/precedence"
)

// resolveHome refuses a home of another owner: the StatefulSet controller would
// mount any claim that has the right name. It also refuses the uid of the SSH server,
// because the spawner starts processes of any user for it. The validation of
// DevServerUsers does not suffice: the uid may come from a claim's annotation, or be
// older than the rule.
func (r *Reconciler) resolveHome(ctx context.Context, in *resolved) (*status.Problem, error) {
	d := in.server
	name := objects.HomeClaimOf(d)
	in.input.UID, in.input.HomeRequest = homeUID(in.own), d.Spec.PersistentHomeSize
	if template := liveTemplate(in.set); template != nil {
		in.input.HomeRequest = template.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	switch {
	case in.input.UID == agentapi.SSHUID:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The home directory belongs to the uid %d, which the SSH server in the pod has. Use another home directory, or ask an admin for a DevServerUser with another uid.", agentapi.SSHUID)}, nil
	case name == "":
		return nil, nil
	case in.home == nil && !objects.HasOwnClaim(d):
		return claimNotFound("PersistentVolumeClaim", name, d.Namespace, "spec.home.claimName"), nil
	case in.home == nil:
		return r.resolveDataSource(ctx, in)
	default:
		return r.checkHome(ctx, d, in.home)
	}
}

func claimNotFound(kind, name, namespace, field string) *status.Problem {
	return &status.Problem{Reason: devv1.ReasonClaimNotFound, Message: fmt.Sprintf(
		"The %s %q for %s does not exist in namespace %s. The server starts when it is created.", kind, name, field, namespace)}
}

// homeUID is the uid of the files in the home directory. A home that exists keeps
// the uid that it was created with; a new one gets that of the owner's
// DevServerUser.
func homeUID(o own) int64 {
	if template := liveTemplate(o.set); template != nil {
		return objects.HomeUID(template.Annotations)
	}
	if o.home != nil {
		return objects.HomeUID(o.home.Annotations)
	}
	if o.user != nil && o.user.Spec.UID != 0 {
		return o.user.Spec.UID
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
	owner, ok := claim.Annotations[objects.AnnotationOwner]
	if problem := notTheirs(d, "PersistentVolumeClaim", claim.Name, owner, ok); problem != nil {
		return problem, nil
	}
	if !claim.DeletionTimestamp.IsZero() {
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The PersistentVolumeClaim %s with the home directory is being deleted. The server starts with a new one when it has been deleted.", claim.Name)}, nil
	}
	if claim.Status.Phase == corev1.ClaimLost {
		return lost(claim, "the home directory"), nil
	}
	if user, err := r.homeUser(ctx, d, claim.Name, true); err != nil || user != "" {
		return inUse(claim.Name, "the home directory", user), err
	}
	return nil, nil
}

// notTheirs refuses a home of another owner, and one of no owner.
func notTheirs(d *devv1.DevServer, kind, name, owner string, annotated bool) *status.Problem {
	switch {
	case annotated && owner == d.Spec.Owner:
		return nil
	case annotated:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The home directory in the %s %s belongs to %s. Give the DevServer another name.", kind, name, owner)}
	default:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf(
			"The %[1]s %[2]s exists and is not a home directory of %[3]s. Give the DevServer another name, or ask an admin to annotate the %[1]s with %[4]s=%[3]s.",
			kind, name, d.Spec.Owner, objects.AnnotationOwner)}
	}
}

// homeUser is the name of another DevServer whose home the claim is. If two request
// the same home, the older one has it.
func (r *Reconciler) homeUser(ctx context.Context, d *devv1.DevServer, claim string, asHome bool) (string, error) {
	users := &devv1.DevServerList{}
	if err := watchcache.List(ctx, r.Client, users, client.InNamespace(d.Namespace), client.MatchingFields{watchcache.FieldClaim: claim}); err != nil {
		return "", err
	}
	user := precedence.Oldest(users.Items, func(other *devv1.DevServer) bool {
		return other.UID != d.UID && objects.HomeClaimOf(other) == claim && (!asHome || precedence.Compare(other, d) < 0)
	})
	if user == nil {
		return "", nil
	}
	return user.Name, nil
}

// resolveHomeSize checks the size against the flavor's bounds.
func (r *Reconciler) resolveHomeSize(_ context.Context, in *resolved) (*status.Problem, error) {
	d := in.server
	if objects.Home(d).ClaimName != "" {
		return nil, nil
	}
	if refused := policy.HomeSizeRefused(d.Spec.PersistentHomeSize, in.input.Flavor); refused != "" {
		return &status.Problem{Reason: devv1.ReasonHomeSizeNotAllowed, Message: refused}, nil
	}
	return nil, nil
}

// resolveDataSource refuses to make a home out of another owner's. It is called
// only while there is no home yet. Claims are watched. Snapshots are not, since their
// kind may not exist in the cluster: they are looked for every conflictRetry.
func (r *Reconciler) resolveDataSource(ctx context.Context, in *resolved) (*status.Problem, error) {
	d := in.server
	source := objects.Home(d).DataSource
	if source == nil {
		return nil, nil
	}
	unwatched := source.Kind != "PersistentVolumeClaim"
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(desired.SourceKind(source))
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: source.Name}, object)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		in.unwatched = unwatched
		return claimNotFound(source.Kind, source.Name, d.Namespace, "spec.home.dataSource"), nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s/%s: %w", source.Kind, d.Namespace, source.Name, err)
	}
	owner, ok := object.Annotations[objects.AnnotationOwner]
	problem := notTheirs(d, source.Kind, source.Name, owner, ok)
	in.unwatched = unwatched && problem != nil
	return problem, nil
}

// applyHome lets the home's claim grow, and makes it stay or be deleted with the
// DevServer. A refusal to grow is reported in a condition of its own, and blocks
// nothing else.
func (r *Reconciler) applyHome(ctx context.Context, d *devv1.DevServer, claim *corev1.PersistentVolumeClaim) (*status.Problem, error) {
	if claim == nil || !objects.HasOwnClaim(d) || !claim.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	refused, err := r.applyClaim(ctx, desired.HomeClaim(d, claim, true))
	if refused == nil || err != nil {
		return nil, err
	}
	// Whether the home is kept does not depend on whether it can grow.
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
		return &status.Problem{Reason: devv1.ReasonResizeFailed, Message: "A quota prevents the home directory's volume from growing: " + apiMessage(err)}, nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return &status.Problem{Reason: devv1.ReasonNotExpandable, Message: "The home directory's volume cannot grow: " + apiMessage(err)}, nil
	default:
		return nil, written(err, "applying PersistentVolumeClaim %s/%s", *want.Namespace, *want.Name)
	}
}
