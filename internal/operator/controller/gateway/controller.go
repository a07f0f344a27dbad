// Package gateway keeps the gateway's host key, and finds out where the gateway
// is reached, for the status of every DevServer.
package gateway

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
)

// Reconciler looks after the one gateway of the cluster.
type Reconciler struct {
	// Client reads nodes from the watch cache. Secrets, which are in none, Live
	// reads from the API server.
	Client client.Client
	Live   client.Reader
	// Services has the gateway's Service and no other.
	Services client.Reader
	// Tell passes on what is known of the gateway.
	Tell   func(*devv1.SSHGateway)
	Config Config
}

// Config is what the operator was told about the gateway.
type Config struct {
	// Service is the name of the gateway's Service; "" where there is no gateway.
	Service string
	// Namespace is the operator's own, in which the gateway is too.
	Namespace string
	// HostKeySecret is a Secret of the admin's with the host key. Left empty, the
	// operator keeps HostKeySecret itself.
	HostKeySecret string
	// Master is the secret from which the host key derives.
	Master []byte
	// Host and Port are where users reach the gateway, where that is not to be
	// seen from its Service.
	Host string
	Port int32
}

// again is how often the Secret with the host key is looked at: Secrets are not
// watched, because the operator may not list them.
const again = time.Minute

// Reconcile makes one pass. Only a whole address is told, and nothing is taken
// back: a Service that is made again is reached where it was before, or says
// something new.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	public, err := r.HostKey(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	host, port, err := r.address(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	if host != "" && port != 0 {
		r.Tell(&devv1.SSHGateway{Host: host, Port: port, HostKey: public})
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

func (r *Reconciler) address(ctx context.Context) (string, int32, error) {
	name := types.NamespacedName{Namespace: r.Config.Namespace, Name: r.Config.Service}
	service := &corev1.Service{}
	if err := r.Services.Get(ctx, name, service); apierrors.IsNotFound(err) {
		service = nil
	} else if err != nil {
		return "", 0, fmt.Errorf("reading the gateway's Service %s: %w", name, err)
	}
	nodes := &corev1.NodeList{}
	if r.Config.Host == "" && service != nil && service.Spec.Type == corev1.ServiceTypeNodePort {
		if err := r.Client.List(ctx, nodes, client.UnsafeDisableDeepCopy); err != nil {
			return "", 0, fmt.Errorf("listing nodes, to find the gateway's address: %w", err)
		}
	}
	host, port := status.GatewayAddress(service, nodes.Items, r.Config.Host, r.Config.Port)
	return host, port, nil
}
