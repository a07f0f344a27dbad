package sshconfig

import (
	"context"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
)

// ways decides how connections to servers are made.
type ways struct {
	asked      string
	knownHosts string
	// answers is whether the cluster's gateway can be reached, once tried.
	answers, tried bool
}

// host is the server for ssh's configuration. Without --via, connections go
// through the cluster's gateway if it can be reached: that requires neither devctl
// nor a kubeconfig, and wakes the server as well.
func (w *ways) host(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer) (host, error) {
	via := w.asked
	if via == reach.Auto && ds.Status.SSH != nil && ds.Status.SSH.Gateway != nil {
		if !w.tried { // It is the same for all servers of a cluster.
			w.answers, w.tried = reach.GatewayAnswers(ctx, ds), true
		}
		if w.answers {
			via = reach.Gateway
		}
	}
	return newHost(to, ds, via, w.knownHosts)
}
