package devserver

import (
	"context"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	devv1 "devserver.io/devserver/api/v1"
)

// Gateway holds the address of the cluster's gateway, for the status of all
// DevServers. It is unknown until the first Set.
type Gateway struct {
	known   atomic.Pointer[gatewayAddress]
	changed chan event.TypedGenericEvent[*devv1.SSHGateway]
}

// gatewayAddress is a known address; nil if the cluster has no gateway.
type gatewayAddress struct{ at *devv1.SSHGateway }

// NewGateway returns a Gateway whose address is unknown.
func NewGateway() *Gateway {
	return &Gateway{changed: make(chan event.TypedGenericEvent[*devv1.SSHGateway], 1)}
}

// Set records the address of the gateway, or nil if there is none. A change leads to
// a pass over every DevServer.
func (g *Gateway) Set(at *devv1.SSHGateway) {
	if before := g.known.Swap(&gatewayAddress{at}); before != nil && equality.Semantic.DeepEqual(before.at, at) {
		return
	}
	select {
	case g.changed <- event.TypedGenericEvent[*devv1.SSHGateway]{Object: at}:
	default: // The event that waits leads to the same passes.
	}
}

// Address returns the address of the gateway, which is nil if there is none, and
// whether that is known yet.
func (g *Gateway) Address() (at *devv1.SSHGateway, known bool) {
	if g == nil {
		return nil, false
	}
	last := g.known.Load()
	if last == nil {
		return nil, false
	}
	return last.at, true
}

// gatewayChanges requests a pass over every DevServer when the address of the gateway
// changes.
func (r *Reconciler) gatewayChanges() source.Source {
	return source.Channel(r.Gateway.changed, handler.TypedEnqueueRequestsFromMapFunc(
		func(ctx context.Context, _ *devv1.SSHGateway) []reconcile.Request { return r.servers(ctx) }))
}
