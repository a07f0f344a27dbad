package sshconfig

import (
	"context"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
)

// ways settles how the boxes are reached.
type ways struct {
	asked      string
	knownHosts string
	// answers tells of the cluster's gateway, once that was tried.
	answers, tried bool
}

// host is the box as it is to be known. Where nothing else was asked for, it is
// reached through the cluster's gateway if that answers, since this takes
// neither devctl nor a kubeconfig, and wakes the box as well.
func (w *ways) host(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer) (host, error) {
	via := w.asked
	if via == reach.Auto && ds.Status.SSH != nil && ds.Status.SSH.Gateway != nil {
		if !w.tried { // It is the same for all of a cluster.
			w.answers, w.tried = reach.GatewayAnswers(ctx, ds), true
		}
		if w.answers {
			via = reach.Gateway
		}
	}
	return newHost(to, ds, via, w.knownHosts)
}
