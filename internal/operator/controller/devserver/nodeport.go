package devserver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

// resolveNodePort requests the port that the SSH Service had before it was
// deleted, so that ssh configurations stay valid.
func (r *Reconciler) resolveNodePort(ctx context.Context, in *resolved) (*status.Problem, error) {
	d := in.server
	if d.Status.SSH == nil || d.Status.SSH.Port == desired.ClientSSHPort || d.Spec.SSH.Service.Type != devv1.SSHServiceNodePort {
		return nil, nil
	}
	service := &corev1.Service{}
	found, err := r.find(ctx, d.Namespace, objects.SSHServiceName(d.Name), service)
	if err == nil && (!found || service.Annotations[objects.AnnotationNodePort] == strconv.Itoa(int(d.Status.SSH.Port))) {
		in.input.NodePort = d.Status.SSH.Port
	}
	return nil, err
}

// refusesNodePort tells whether the API server refused the node port of that
// Service.
func refusesNodePort(err error, service string) bool {
	var refused apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &refused) {
		return false
	}
	details := refused.Status().Details
	if details == nil || details.Kind != "Service" || details.Name != service {
		return false
	}
	for _, cause := range details.Causes {
		if strings.HasSuffix(cause.Field, ".nodePort") {
			return true
		}
	}
	return false
}

// portIsFree tells whether a port that was refused may be granted to another
// attempt. The API server reports a Service's deletion before it frees the port:
// for a moment the port belongs to no Service and is "already allocated".
func (r *Reconciler) portIsFree(ctx context.Context, port int32, refused error) (bool, error) {
	if !strings.Contains(refused.Error(), "already allocated") {
		return false, nil
	}
	services := &corev1.ServiceList{}
	if err := r.Live.List(ctx, services); err != nil {
		return false, fmt.Errorf("looking for the Service that has the node port %d: %w", port, err)
	}
	for _, s := range services.Items {
		if s.Spec.HealthCheckNodePort == port {
			return false, nil
		}
		for _, p := range s.Spec.Ports {
			if p.NodePort == port {
				return false, nil
			}
		}
	}
	return true, nil
}
