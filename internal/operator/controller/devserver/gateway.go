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

// Gateway is what is known of the cluster's gateway, for the status of all
// DevServers. Until somebody tells, nothing is.
type Gateway struct {
	told atomic.Pointer[told]
	news chan event.TypedGenericEvent[*devv1.SSHGateway]
}

type told struct{ at *devv1.SSHGateway }

// NewGateway returns a Gateway of which nothing is known yet.
func NewGateway() *Gateway {
	return &Gateway{news: make(chan event.TypedGenericEvent[*devv1.SSHGateway], 1)}
}

// Tell says where the gateway is, or that there is none. What is new leads to a
// pass over every DevServer.
func (g *Gateway) Tell(at *devv1.SSHGateway) {
	if before := g.told.Swap(&told{at}); before != nil && equality.Semantic.DeepEqual(before.at, at) {
		return
	}
	select {
	case g.news <- event.TypedGenericEvent[*devv1.SSHGateway]{Object: at}:
	default: // The one that waits leads to the same passes.
	}
}

// At is what was told last, if anything was.
func (g *Gateway) At() (at *devv1.SSHGateway, known bool) {
	if g == nil {
		return nil, false
	}
	last := g.told.Load()
	if last == nil {
		return nil, false
	}
	return last.at, true
}

// gatewayNews leads from what is new about the gateway to all DevServers.
func (r *Reconciler) gatewayNews() source.Source {
	return source.Channel(r.Gateway.news, handler.TypedEnqueueRequestsFromMapFunc(
		func(ctx context.Context, _ *devv1.SSHGateway) []reconcile.Request { return r.servers(ctx) }))
}
