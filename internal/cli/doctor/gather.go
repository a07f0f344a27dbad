package doctor

import (
	"cmp"
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

// ask reads the facts from the cluster. It stops at the first request that fails.
func (f *facts) ask(ctx context.Context, to *cluster.Cluster) {
	f.server, f.namespace = to.Config.Host, to.Namespace
	about, err := cluster.Ask(ctx, to.Config)
	if err != nil {
		f.unreachable = err.Error()
		return
	}
	f.about = about
	f.user, _ = cluster.Me(ctx, to.Client) // The other facts do not depend on it.
	for _, look := range []func(context.Context, client.Client) error{
		f.askOperators, f.askFlavors, f.askClasses, f.askServices, f.askRights,
	} {
		if err := look(ctx, to.Client); err != nil {
			f.unreachable = cluster.Explain(err, "asking the cluster").Error()
			return
		}
	}
}

// list reads all objects of a kind. hidden tells that the user may not read them. A
// kind that the cluster does not know has none.
func list(ctx context.Context, c client.Client, all client.ObjectList) (hidden bool, err error) {
	err = c.List(ctx, all)
	if apierrors.IsForbidden(err) {
		return true, nil
	}
	return false, client.IgnoreNotFound(err)
}

func (f *facts) askOperators(ctx context.Context, c client.Client) (err error) {
	f.operators.items, f.operators.hidden, err = cluster.Operators(ctx, c)
	return err
}

func (f *facts) askFlavors(ctx context.Context, c client.Client) (err error) {
	var all devserverv1.DevServerFlavorList
	f.flavors.hidden, err = list(ctx, c, &all)
	f.flavors.items = all.Items
	return err
}

func (f *facts) askClasses(ctx context.Context, c client.Client) (err error) {
	var all storagev1.StorageClassList
	f.classes.hidden, err = list(ctx, c, &all)
	for _, s := range all.Items {
		isDefault := s.Annotations[cluster.DefaultClassAnnotation] == "true"
		f.classes.items = append(f.classes.items, class{s.Name, isDefault, s.AllowVolumeExpansion != nil && *s.AllowVolumeExpansion})
	}
	return err
}

// askServices finds the gateway and the node ports in one request.
func (f *facts) askServices(ctx context.Context, c client.Client) error {
	var all corev1.ServiceList
	hidden, err := list(ctx, c, &all)
	f.gateways.hidden, f.nodePorts.hidden = hidden, hidden
	for _, s := range all.Items {
		// The gateway has another Service for its metrics.
		if s.Labels["app.kubernetes.io/name"] == gatewayName && s.Labels["app.kubernetes.io/component"] == "gateway" {
			f.gateways.items = append(f.gateways.items, where(&s))
		}
		for _, port := range s.Spec.Ports {
			if port.NodePort != 0 {
				f.nodePorts.items = append(f.nodePorts.items, port.NodePort)
			}
		}
	}
	return err
}

// gatewayName is the gateway's label app.kubernetes.io/name.
const gatewayName = "devserver-gateway"

// where is how a Service is reached from outside.
func where(s *corev1.Service) string {
	if len(s.Spec.Ports) == 0 {
		return s.Name
	}
	port := s.Spec.Ports[0]
	switch {
	case len(s.Status.LoadBalancer.Ingress) > 0:
		to := s.Status.LoadBalancer.Ingress[0]
		return fmt.Sprintf("%s port %d", cmp.Or(to.Hostname, to.IP), port.Port)
	case s.Spec.Type == corev1.ServiceTypeLoadBalancer:
		return "the load balancer has not assigned an address yet"
	case port.NodePort != 0:
		return fmt.Sprintf("port %d of every node", port.NodePort)
	}
	return "reachable inside the cluster only"
}

func (f *facts) askRights(ctx context.Context, c client.Client) error {
	for _, r := range rights {
		review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: f.namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
		}}}
		if r.resource == "devserverflavors" {
			review.Spec.ResourceAttributes.Namespace = ""
		}
		if err := c.Create(ctx, &review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			f.denied = append(f.denied, r)
		}
	}
	return nil
}
