package devserver

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/capacity"
	"devserver.io/devserver/internal/desired"
	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/status"
)

// resolved is the input of the desired stage, as far as it could be gathered.
type resolved struct{ desired.Input }

func (in resolved) flavorName() string {
	if in.Flavor == nil {
		return ""
	}
	return in.Flavor.Name
}

// resolve gathers all that the DevServer names. It is the only stage that
// reads dependencies. What is missing or wrong comes back as a problem; it
// heals by an event of what was missing, or by an edit.
func (r *Reconciler) resolve(ctx context.Context, d *devv1.DevServer) (resolved, *status.Problem, error) {
	in := resolved{desired.Input{
		DevServer:            d,
		AgentImage:           r.Config.AgentImage,
		AgentImagePullPolicy: r.Config.AgentImagePullPolicy,
	}}
	var err error
	if in.Keys, err = sshkeys.Derive(r.Config.Master, d.Namespace, d.Name, d.Spec.Owner); err != nil {
		return in, nil, fmt.Errorf("deriving the keys of DevServer %s/%s: %w", d.Namespace, d.Name, err)
	}
	checks := []func(context.Context, *devv1.DevServer, *resolved) (*status.Problem, error){
		r.resolveFlavor, r.resolveKeys, r.resolveSharedClaim, r.resolveHome, r.resolveNodePort,
	}
	for _, check := range checks {
		if problem, err := check(ctx, d, &in); problem != nil || err != nil {
			return in, problem, err
		}
	}
	in.Image = cmp.Or(d.Spec.Image, in.Flavor.Spec.Image, r.Config.DefaultImage)
	return in, nil, nil
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

// resolveKeys decodes the keys: the API server has checked their form, not
// what is in their base64.
func (r *Reconciler) resolveKeys(_ context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	lines := slices.Clone(d.Spec.SSH.PublicKeys)
	if d.Spec.SSH.PublicKey != "" {
		lines = append([]string{d.Spec.SSH.PublicKey}, lines...)
	}
	for i, line := range lines {
		if _, _, err := sshkeys.ParseAuthorized(line); err != nil {
			field := "spec.ssh.publicKey"
			if d.Spec.SSH.PublicKey == "" {
				field = fmt.Sprintf("spec.ssh.publicKeys[%d]", i)
			} else if i > 0 {
				field = fmt.Sprintf("spec.ssh.publicKeys[%d]", i-1)
			}
			return &status.Problem{Reason: devv1.ReasonInvalidKey, Message: fmt.Sprintf("%s is not a usable public key: %v", field, err)}, nil
		}
	}
	in.AuthorizedKeys = lines
	return nil, nil
}

func (r *Reconciler) resolveSharedClaim(ctx context.Context, d *devv1.DevServer, _ *resolved) (*status.Problem, error) {
	name := d.Spec.SharedVolumeClaimName
	if name == "" {
		return nil, nil
	}
	claim, err := r.claim(ctx, d.Namespace, name)
	if err != nil {
		return nil, err
	}
	if claim == nil || !claim.DeletionTimestamp.IsZero() {
		return &status.Problem{Reason: devv1.ReasonClaimNotFound, Message: fmt.Sprintf("There is no PersistentVolumeClaim %q in the namespace %s for spec.sharedVolumeClaimName. The server starts once there is.", name, d.Namespace)}, nil
	}
	return nil, nil
}

// resolveHome refuses a home of another owner: the StatefulSet controller
// would mount any claim that has the right name.
func (r *Reconciler) resolveHome(ctx context.Context, d *devv1.DevServer, _ *resolved) (*status.Problem, error) {
	claim, err := r.claim(ctx, d.Namespace, desired.HomeClaimName(d.Name))
	if err != nil || claim == nil {
		return nil, err
	}
	owner, ok := claim.Annotations[desired.AnnotationOwner]
	switch {
	case ok && owner == d.Spec.Owner:
		return nil, nil
	case ok:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf("The home directory in the PersistentVolumeClaim %s belongs to %s. It is left as it is: choose another name for the DevServer.", claim.Name, owner)}, nil
	default:
		return &status.Problem{Reason: devv1.ReasonHomeConflict, Message: fmt.Sprintf("The PersistentVolumeClaim %s is there and is no home directory of %s. It is left as it is: choose another name for the DevServer, or, to make it their home, annotate it with %s=%s.", claim.Name, d.Spec.Owner, desired.AnnotationOwner, d.Spec.Owner)}, nil
	}
}

func (r *Reconciler) claim(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, claim)
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
