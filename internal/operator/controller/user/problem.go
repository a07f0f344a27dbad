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
		Message: fmt.Sprintf("The DevServerUser %s, which is older, has the same %s. No objects are created for this one: delete one of the two.", elder.Name, what),
	}
}

func leaving(namespace string) *status.Problem {
	return &status.Problem{
		Reason:  devv1.ReasonNamespaceTerminating,
		Message: fmt.Sprintf("The namespace %s is being deleted. It is created again after that.", namespace),
	}
}

func namespaceConflict(u *devv1.DevServerUser, c *apply.ConflictError) *status.Problem {
	if c.Leaving {
		return leaving(c.Name)
	}
	return &status.Problem{
		Reason: devv1.ReasonNamespaceConflict,
		Message: fmt.Sprintf("The namespace %s exists and does not belong to %s. It is not changed. To hand it over, with everything in it: kubectl annotate --overwrite namespace %s %s=%s",
			account.NamespaceName(u), u.Spec.Owner, account.NamespaceName(u), objects.AnnotationOwner, u.Spec.Owner),
	}
}

// problemOf turns an error of the apply step into a problem if a user or admin can act
// on it. It also returns the error if a retry may help: no event reports that a
// role was created, or that the operator was granted a right.
func problemOf(err error) (*status.Problem, error) {
	var conflict *apply.ConflictError
	switch {
	case errors.As(err, &conflict):
		return objectConflict(conflict), nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err), apierrors.IsNotFound(err):
		return &status.Problem{Reason: devv1.ReasonUserRefused, Message: "The API server refuses an object of the user: " + refusal(err)}, err
	default:
		return nil, err
	}
}

func objectConflict(c *apply.ConflictError) *status.Problem {
	message := fmt.Sprintf("The %s %s exists and belongs to another owner. It is not changed. Rename or delete it.", c.Kind, c.Name)
	if c.Leaving {
		message = fmt.Sprintf("The %s %s of the DevServerUser that was deleted before is still being deleted.", c.Kind, c.Name)
	}
	return &status.Problem{Reason: devv1.ReasonUserObjectConflict, Message: message}
}

// escalation is where the API server begins to list what a role grants that the
// operator does not have: many lines, which do not help.
const escalation = "is attempting to grant RBAC permissions not currently held"

// refusal is the API server's own sentence, without the operator's wrapping.
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
