package devserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// resolved is the input of the desired stage, as far as it could be gathered.
type resolved struct {
	desired.Input
	// set is the live StatefulSet, pod its pod, home the live claim of the home
	// directory, user the owner's DevServerUser: nil where there is none.
	set  *appsv1.StatefulSet
	pod  *corev1.Pod
	home *corev1.PersistentVolumeClaim
	user *devv1.DevServerUser
	// lease has the last activity, a keep, and whether the box sleeps; nil where
	// there is none yet.
	lease  *coordinationv1.Lease
	policy lifecycle.Policy
}

func (in resolved) flavorName() string {
	if in.Flavor == nil {
		return ""
	}
	return in.Flavor.Name
}

// resolveOwn gathers what belongs to the DevServer itself: its keys, and the
// objects of its own that exist. A key that does not decode comes back as a
// problem; the keys that do are authorized all the same.
func (r *Reconciler) resolveOwn(ctx context.Context, d *devv1.DevServer) (resolved, *status.Problem, error) {
	in := resolved{Input: desired.Input{
		DevServer:            d,
		AgentImage:           r.Config.AgentImage,
		AgentImagePullPolicy: r.Config.AgentImagePullPolicy,
		GatewayNamespace:     r.Config.GatewayNamespace,
	}}
	var err error
	if in.Keys, err = r.keys.of(d, r.Config.Master); err != nil {
		return in, nil, err
	}
	if err := errors.Join(r.resolveLive(ctx, d, &in), r.resolveUser(ctx, d, &in)); err != nil {
		return in, nil, err
	}
	return in, resolveKeys(d, &in), nil
}

// resolve gathers the objects that the DevServer depends on, and its Lease. What
// is missing or wrong comes back as a problem; it is resolved by an event of
// what was missing, or by an edit.
func (r *Reconciler) resolve(ctx context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	if err := r.resolveLease(ctx, d, in); err != nil {
		return nil, err
	}
	flavorProblem, err := r.resolveFlavor(ctx, d, in)
	if err != nil {
		return nil, err
	}
	// Whatever else is wrong, a server is suspended when it is due.
	policy, violation := lifecycle.Resolve(d, in.Flavor, r.Config.Lifecycle)
	in.policy = policy
	checks := []func(context.Context, *devv1.DevServer, *resolved) (*status.Problem, error){
		r.resolveHome,
		func(context.Context, *devv1.DevServer, *resolved) (*status.Problem, error) { return flavorProblem, nil },
		r.resolveHomeSize, r.resolveImage, r.resolveVolumes, r.resolveNodePort,
	}
	for _, check := range checks {
		if problem, err := check(ctx, d, in); problem != nil || err != nil {
			return problem, err
		}
	}
	if violation != nil {
		return &status.Problem{Reason: violation.Reason, Message: violation.Message}, nil
	}
	return nil, nil
}

// resolveLive reads what is there of the box already, which the status tells
// whatever else is wrong.
func (r *Reconciler) resolveLive(ctx context.Context, d *devv1.DevServer, in *resolved) error {
	var err error
	if name := desired.HomeClaimOf(d); name != "" {
		if in.home, err = r.claim(ctx, d.Namespace, name); err != nil {
			return err
		}
	}
	if in.set, err = get(ctx, r, d, desired.StatefulSetName(d.Name), &appsv1.StatefulSet{}); err != nil || in.set == nil {
		return err
	}
	in.pod, err = r.pod(ctx, d, in.set)
	return err
}

// resolveLease finds the Lease of the box, if it has one yet.
func (r *Reconciler) resolveLease(ctx context.Context, d *devv1.DevServer, in *resolved) (err error) {
	in.lease, err = get(ctx, r, d, desired.LeaseName(d.Name), &coordinationv1.Lease{})
	return err
}

// resolveImage holds the image of the DevServer's own to what the flavor
// allows. The admin's own choices need no permission.
func (r *Reconciler) resolveImage(_ context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	flavor := in.Flavor.Spec
	in.Image = cmp.Or(d.Spec.Image, flavor.Image, r.Config.DefaultImage)
	if in.Image == r.Config.DefaultImage {
		return nil, nil
	}
	if refused := desired.ImageRefused(in.Image, in.Flavor); refused != "" {
		return &status.Problem{Reason: devv1.ReasonImageNotAllowed, Message: refused}, nil
	}
	return nil, nil
}

func (r *Reconciler) resolveFlavor(ctx context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	if d.Spec.Flavor == "" {
		flavor, err := r.defaultFlavor(ctx)
		if err != nil {
			return nil, err
		}
		if flavor == nil {
			return &status.Problem{Reason: devv1.ReasonFlavorNotFound, Message: "spec.flavor is left out, and no DevServerFlavor is the default. The server starts once one has spec.default, or spec.flavor names one."}, nil
		}
		in.Flavor = flavor
		return nil, nil
	}
	flavor := &devv1.DevServerFlavor{}
	err := r.Client.Get(ctx, types.NamespacedName{Name: d.Spec.Flavor}, flavor)
	if apierrors.IsNotFound(err) {
		return &status.Problem{Reason: devv1.ReasonFlavorNotFound, Message: fmt.Sprintf("There is no DevServerFlavor %q. The server starts once there is; kubectl get devserverflavors lists those there are.", d.Spec.Flavor)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading DevServerFlavor %s: %w", d.Spec.Flavor, err)
	}
	in.Flavor = flavor
	return nil, nil
}

// defaultFlavor is nil where no flavor claims to be the default.
func (r *Reconciler) defaultFlavor(ctx context.Context) (*devv1.DevServerFlavor, error) {
	list := &devv1.DevServerFlavorList{}
	if err := r.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing DevServerFlavors: %w", err)
	}
	return capacity.Default(list.Items), nil
}

func (r *Reconciler) claim(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, claim, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading PersistentVolumeClaim %s/%s: %w", namespace, name, err)
	}
	return claim, nil
}

// resolveNodePort asks for the port that the Service had before it was
// deleted, so that nobody's ssh configuration breaks.
func (r *Reconciler) resolveNodePort(ctx context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	if d.Status.SSH == nil || d.Status.SSH.Port == desired.ClientSSHPort || d.Spec.SSH.Service.Type != devv1.SSHServiceNodePort {
		return nil, nil
	}
	service := &corev1.Service{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: desired.SSHServiceName(d.Name)}, service)
	switch {
	case apierrors.IsNotFound(err):
		in.NodePort = d.Status.SSH.Port
	case err != nil:
		return nil, fmt.Errorf("reading Service %s/%s: %w", d.Namespace, desired.SSHServiceName(d.Name), err)
	case service.Annotations[desired.AnnotationNodePort] == strconv.Itoa(int(d.Status.SSH.Port)):
		in.NodePort = d.Status.SSH.Port
	}
	return nil, nil
}

// portReturns tells whether a port that was refused is worth another try. The
// API server tells of a Service's deletion before it takes the port back: for
// a moment the port belongs to nobody and is "already allocated".
func (r *Reconciler) portReturns(ctx context.Context, port int32, refused error) (bool, error) {
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
