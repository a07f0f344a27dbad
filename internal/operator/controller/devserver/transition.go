package devserver

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/transition"
	"devserver.io/devserver/internal/serverstate"
)

// server is a transition.Server: a DevServer, its Lease and its agent.
type server struct {
	*Reconciler
	in resolved
}

var _ transition.Server = (*server)(nil)

func (s *server) Now() time.Time { return s.Clock.Now() }

func (s *server) Facts() lifecycle.Facts { return s.facts(s.in) }

func (s *server) Decide(f lifecycle.Facts) lifecycle.Decision {
	return lifecycle.Decide(s.in.policy, f, s.Now())
}

func (s *server) Drain(idleSince time.Time) (drained, answered bool) {
	if s.in.pod == nil {
		return false, true
	}
	return s.Poller.Drain(s.in.key(), s.in.pod.UID, transition.DrainRequest(s.in.policy.Thresholds, idleSince, s.Now()))
}

func (s *server) Release() { s.Poller.Release(s.in.key()) }

func (s *server) RecordExpiry(ctx context.Context) error {
	d := s.in.server
	next := *d.Status.DeepCopy()
	next.Expired = &devv1.ExpiredStatus{Time: lifecycle.Time(s.Now()), RestartedAt: d.Spec.RestartedAt}
	return s.writeStatus(ctx, d, next)
}

// Delete deletes a DevServer that has expired, or was suspended for too long, unless
// the DevServer has changed since it was read.
func (s *server) Delete(ctx context.Context, d lifecycle.Decision) error {
	ds := s.in.server
	why := "It reached its time to live."
	if !d.Run {
		why = "It was suspended for as long as lifecycle.deleteAfterSuspended allows."
	}
	err := s.Client.Delete(ctx, ds, client.Preconditions{UID: new(ds.UID), ResourceVersion: new(ds.ResourceVersion)})
	if apierrors.IsNotFound(err) {
		return errDeleted
	}
	if err := written(err, "deleting DevServer %s/%s", ds.Namespace, ds.Name); err != nil {
		return err
	}
	s.Recorder.Eventf(ds, nil, corev1.EventTypeNormal, devv1.ReasonExpired, "Delete", "%s", fmt.Sprintf("The DevServer is deleted. %s %s", why, serverstate.HomeFate(ds)))
	return errDeleted
}
