// Package gateway keeps the gateway's host key, and finds the gateway's address
// for the status of every DevServer.
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

// Reconciler keeps the host key of the cluster's gateway and reports its
// address.
type Reconciler struct {
	// Client reads nodes from the watch cache. Live reads Secrets from the API
	// server, because they are not cached.
	Client client.Client
	Live   client.Reader
	// Services holds only the gateway's Service.
	Services client.Reader
	// Report passes on the address of the gateway.
	Report func(*devv1.SSHGateway)
	Config Config
}

// Config is the operator's configuration of the gateway.
type Config struct {
	// Service is the name of the gateway's Service; "" if there is no gateway.
	Service string
	// Namespace is the operator's own, which is the gateway's too.
	Namespace string
	// HostKeySecret is the admin's Secret with the host key. If it is empty,
	// the operator keeps the Secret HostKeySecret itself.
	HostKeySecret string
	// Master is the secret from which the host key derives.
	Master []byte
	// Host and Port are where users reach the gateway, if its Service does not
	// show that.
	Host string
	Port int32
}

// again is how often the Secret with the host key is checked: Secrets are not
// watched, because the operator may not list them.
const again = time.Minute

// Reconcile makes one pass. It reports only complete addresses, and never
// withdraws one: a Service that is created again has the same address, or a new
// one, which is reported then.
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
		r.Report(&devv1.SSHGateway{Host: host, Port: port, HostKey: public})
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
