package devserver

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

// problemOf turns an error of the apply step into a problem for the status, if a
// person can act on it. The error comes back too if a retry may help: a quota is
// raised, or an admission policy changed, without an event that is watched.
func problemOf(err error) (*status.Problem, error) {
	var conflict *apply.ConflictError
	var overlay *desired.OverlayError
	switch {
	case errors.As(err, &conflict):
		return conflictProblem(conflict), nil
	case errors.As(err, &overlay):
		return &status.Problem{Reason: devv1.ReasonInvalidFlavor, Message: overlay.Error() + ". The server starts, or applies changes, once the flavor is fixed."}, nil
	case portRangeFull(err):
		return &status.Problem{Reason: devv1.ReasonNodePortsExhausted, Message: "Every port of the cluster's NodePort range is taken. The server starts when one is free. With spec.ssh.service.type ClusterIP or None it needs none."}, err
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return &status.Problem{Reason: devv1.ReasonRefused, Message: "The API server refuses an object that the server needs: " + apiMessage(err)}, err
	default:
		return nil, written(err, "applying the objects of a DevServer")
	}
}

func conflictProblem(c *apply.ConflictError) *status.Problem {
	if c.Leaving {
		return &status.Problem{
			Reason:  devv1.ReasonObjectConflict,
			Message: fmt.Sprintf("The %s %s of an earlier DevServer of the same name is still being deleted. The server starts when it has been deleted.", c.Kind, c.Name),
		}
	}
	return &status.Problem{
		Reason:  devv1.ReasonObjectConflict,
		Message: fmt.Sprintf("A %s named %s exists and does not belong to this DevServer. Rename or delete it, or create the DevServer under another name.", c.Kind, c.Name),
	}
}

// portRangeFull compares the message, because the API server has no reason for this
// error.
func portRangeFull(err error) bool {
	return strings.Contains(err.Error(), "failed to allocate a nodePort") && strings.Contains(err.Error(), "range is full")
}

// apiMessage is the API server's own sentence, without our wrapping.
func apiMessage(err error) string {
	var api apierrors.APIStatus
	if errors.As(err, &api) {
		return api.Status().Message
	}
	return err.Error()
}
