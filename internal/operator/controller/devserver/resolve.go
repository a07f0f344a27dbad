package devserver

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/sshkeys"
)

// own is what belongs to one DevServer alone. All of it comes from the watch
// cache.
type own struct {
	server *devv1.DevServer
	memory *remembered
	// input has the keys, and grows with what is resolved later.
	input desired.Input
	// set is the live StatefulSet, pod its pod, home the live claim of the home
	// directory, lease the Lease, and user the owner's DevServerUser. Each is nil if it
	// does not exist.
	set   *appsv1.StatefulSet
	pod   *corev1.Pod
	home  *corev1.PersistentVolumeClaim
	lease *coordinationv1.Lease
	user  *devv1.DevServerUser
	// keyProblem is a key that does not decode; nil if all do.
	keyProblem *status.Problem
}

// resolved is own, with what the DevServer depends on.
type resolved struct {
	own
	policy policy.Policy
	// problem is why the objects cannot be rendered; nil if they can.
	problem *status.Problem
	// unwatched is set if no event reports that the problem is over.
	unwatched bool
}

// foreignLease tells whether another owner has the name of the server's Lease.
func (o own) foreignLease() bool { return o.lease == nil && o.memory.foreignLease }

func (o own) key() types.NamespacedName { return client.ObjectKeyFromObject(o.server) }

func (in resolved) flavorName() string {
	if in.input.Flavor == nil {
		return ""
	}
	return in.input.Flavor.Name
}

// resolveOwn gathers what belongs to the DevServer alone. A key that does not
// decode comes back as a problem; the keys that do are authorized all the same.
func (r *Reconciler) resolveOwn(ctx context.Context, d *devv1.DevServer) (own, error) {
	o := own{server: d, memory: r.memory.of(client.ObjectKeyFromObject(d)), input: desired.Input{
		DevServer:            d,
		AgentImage:           r.Config.AgentImage,
		AgentImagePullPolicy: r.Config.AgentImagePullPolicy,
		GatewayNamespace:     r.Config.GatewayNamespace,
	}}
	var err error
	if o.input.Keys, err = sshkeys.Derive(r.Config.Master, d.Namespace, d.Name, d.Spec.Owner); err != nil {
		return o, fmt.Errorf("deriving the keys of DevServer %s: %w", o.key(), err)
	}
	if o.user, err = r.userOf(ctx, d); err != nil {
		return o, err
	}
	o.input.AuthorizedKeys, o.keyProblem = authorizedKeys(d, o.user)
	return o, r.resolveObjects(ctx, &o)
}

// resolveObjects reads the objects of the DevServer that exist.
func (r *Reconciler) resolveObjects(ctx context.Context, o *own) error {
	d := o.server
	var errs [3]error
	if name := objects.HomeClaimOf(d); name != "" {
		o.home, errs[0] = r.claim(ctx, d.Namespace, name)
	}
	o.lease, errs[1] = get(ctx, r, d, objects.LeaseName(d.Name), &coordinationv1.Lease{})
	if o.set, errs[2] = get(ctx, r, d, objects.StatefulSetName(d.Name), &appsv1.StatefulSet{}); o.set != nil {
		o.pod, errs[2] = get(ctx, r, o.set, objects.PodName(d.Name), &corev1.Pod{})
	}
	return errors.Join(errs[:]...)
}

// resolve gathers what the DevServer depends on. A missing or wrong dependency is
// returned as the problem. Its creation or an edit leads to another pass, unless
// unwatched is set.
func (r *Reconciler) resolve(ctx context.Context, o own) (resolved, error) {
	in := resolved{own: o}
	flavorProblem, err := r.resolveFlavor(ctx, &in)
	if err != nil {
		return in, err
	}
	homeProblem, err := r.resolveHome(ctx, &in)
	if err != nil {
		return in, err
	}
	// The policy is known without a flavor too: a server is suspended when it is
	// due, whatever else is wrong.
	var violation *policy.Violation
	in.policy, violation = policy.Resolve(in.server, in.input.Flavor, r.Config.Lifecycle)
	in.input.GraceSeconds = in.policy.GraceSeconds
	for _, problem := range []*status.Problem{o.keyProblem, homeProblem, flavorProblem, r.serviceProblem(o.server)} {
		if problem != nil {
			in.problem = problem
			return in, nil
		}
	}
	for _, resolve := range []func(context.Context, *resolved) (*status.Problem, error){r.resolveHomeSize, r.resolveImage, r.resolveVolumes, r.resolveNodePort, r.resolveLimits} {
		if in.problem, err = resolve(ctx, &in); in.problem != nil || err != nil {
			return in, err
		}
	}
	if violation != nil {
		in.problem = &status.Problem{Reason: violation.Reason, Message: violation.Message}
	}
	return in, nil
}

func (r *Reconciler) resolveFlavor(ctx context.Context, in *resolved) (*status.Problem, error) {
	name := in.server.Spec.Flavor
	if name == "" {
		flavor, err := r.defaultFlavor(ctx)
		if err != nil {
			return nil, err
		}
		if flavor == nil {
			return &status.Problem{Reason: devv1.ReasonFlavorNotFound, Message: "spec.flavor is not set, and no DevServerFlavor is the default. The server starts when a flavor has spec.default: true, or when spec.flavor names one."}, nil
		}
		in.input.Flavor = flavor
		return nil, nil
	}
	flavor := &devv1.DevServerFlavor{}
	err := r.Client.Get(ctx, types.NamespacedName{Name: name}, flavor)
	if apierrors.IsNotFound(err) {
		return &status.Problem{Reason: devv1.ReasonFlavorNotFound, Message: fmt.Sprintf("DevServerFlavor %q does not exist. The server starts when it is created. To list the flavors: kubectl get devserverflavors.", name)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading DevServerFlavor %s: %w", name, err)
	}
	in.input.Flavor = flavor
	return nil, nil
}

// defaultFlavor is nil if no flavor is the default.
func (r *Reconciler) defaultFlavor(ctx context.Context) (*devv1.DevServerFlavor, error) {
	list := &devv1.DevServerFlavorList{}
	if err := r.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing DevServerFlavors: %w", err)
	}
	return capacity.Default(list.Items), nil
}

// resolveImage checks the DevServer's image against the flavor. The images that
// the admin chose, in the flavor or for all servers, are always allowed.
func (r *Reconciler) resolveImage(_ context.Context, in *resolved) (*status.Problem, error) {
	in.input.Image = policy.Image(in.server, in.input.Flavor, r.Config.DefaultImage)
	if in.input.Image == r.Config.DefaultImage {
		in.input.ImagePullPolicy = r.Config.DefaultImagePullPolicy
		return nil, nil
	}
	if refused := policy.ImageRefused(in.input.Image, in.input.Flavor); refused != "" {
		return &status.Problem{Reason: devv1.ReasonImageNotAllowed, Message: refused}, nil
	}
	return nil, nil
}

// resolveLimits reads the quotas and LimitRanges of the server's namespace.
func (r *Reconciler) resolveLimits(ctx context.Context, in *resolved) (*status.Problem, error) {
	var quotas corev1.ResourceQuotaList
	var ranges corev1.LimitRangeList
	namespace := client.InNamespace(in.server.Namespace)
	err := errors.Join(watchcache.List(ctx, r.Client, &quotas, namespace), watchcache.List(ctx, r.Client, &ranges, namespace))
	in.input.Quotas, in.input.LimitRanges = quotas.Items, ranges.Items
	return nil, err
}

// find reads an object into one that belongs to the watch cache, like all objects that
// a pass reads except the DevServer and its flavor: it must not be changed.
func (r *Reconciler) find(ctx context.Context, namespace, name string, into client.Object) (found bool, err error) {
	err = r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading %T %s/%s: %w", into, namespace, name, err)
	}
	return err == nil, nil
}

// get returns an object that the owner, a DevServer or its StatefulSet, controls, or nil.
func get[T client.Object](ctx context.Context, r *Reconciler, owner metav1.Object, name string, into T) (T, error) {
	if found, err := r.find(ctx, owner.GetNamespace(), name, into); !found || !metav1.IsControlledBy(into, owner) {
		var none T
		return none, err
	}
	return into, nil
}

// claim returns a claim in the namespace, or nil.
func (r *Reconciler) claim(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	if found, err := r.find(ctx, namespace, name, claim); !found {
		return nil, err
	}
	return claim, nil
}
