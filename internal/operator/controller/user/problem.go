package user

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/account"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/status"
)

func taken(u, elder *devv1.DevServerUser) *status.Problem {
	what := "spec.owner " + u.Spec.Owner
	if u.Spec.Username == elder.Spec.Username {
		what = "spec.username " + u.Spec.Username
	}
	return &status.Problem{
		Reason:  devv1.ReasonUsernameTaken,
		Message: fmt.Sprintf("The DevServerUser %s, which is older, has the same %s. Nothing is made for this one: delete one of the two.", elder.Name, what),
	}
}

func leaving(namespace string) *status.Problem {
	return &status.Problem{
		Reason:  devv1.ReasonNamespaceTerminating,
		Message: fmt.Sprintf("The namespace %s is being deleted. It is made again when it is gone.", namespace),
	}
}

func namespaceConflict(u *devv1.DevServerUser, c *apply.ConflictError) *status.Problem {
	if c.Leaving {
		return leaving(c.Name)
	}
	return &status.Problem{
		Reason: devv1.ReasonNamespaceConflict,
		Message: fmt.Sprintf("The namespace %s is there and is not %s's. It is left as it is. To hand it over, with all that is in it: kubectl annotate --overwrite namespace %s %s=%s",
			account.NamespaceName(u), u.Spec.Owner, account.NamespaceName(u), objects.AnnotationOwner, u.Spec.Owner),
	}
}

// problemOf turns an error of the apply stage into words for the status where
// a person can act on it. The error comes back where a retry may help: a role
// comes to be, or the operator gets a right, without any event that we would
// see.
func problemOf(err error) (*status.Problem, error) {
	var conflict *apply.ConflictError
	switch {
	case errors.As(err, &conflict):
		return objectConflict(conflict), nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err), apierrors.IsNotFound(err):
		return &status.Problem{Reason: devv1.ReasonUserRefused, Message: "The API server refuses an object that the person needs: " + refusal(err)}, err
	default:
		return nil, err
	}
}

func objectConflict(c *apply.ConflictError) *status.Problem {
	message := fmt.Sprintf("A %s named %s is there and belongs to somebody else. It is left as it is: rename or delete it.", c.Kind, c.Name)
	if c.Leaving {
		message = fmt.Sprintf("The %s %s of the DevServerUser that was deleted before is still being deleted.", c.Kind, c.Name)
	}
	return &status.Problem{Reason: devv1.ReasonUserObjectConflict, Message: message}
}

// escalation is where the API server begins to list what a role grants that
// the operator does not have: many lines, which do not say what to do.
const escalation = "is attempting to grant RBAC permissions not currently held"

// refusal is the API server's own sentence, without our wrapping.
func refusal(err error) string {
	var api apierrors.APIStatus
	if !errors.As(err, &api) {
		return err.Error()
	}
	message := api.Status().Message
	if subject, _, found := strings.Cut(message, " is forbidden: "); found && strings.Contains(message, escalation) {
		return subject + ": the operator may not bind this role. List a ClusterRole in the chart's value rbac.bindableClusterRoles; of a Role, the operator itself must have all the rights, so bind it yourself."
	}
	return message
}
