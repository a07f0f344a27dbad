package simulation

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// scaleTo gives the server a pod, or none, as decided.
func (w *world) scaleTo(d lifecycle.Decision) {
	switch {
	case d.Run && w.replicas == 0:
		w.checkWake()
		w.count("wakes")
		w.truth.suspended = ""
		w.scale(1)
	case !d.Run && w.replicas == 1:
		w.checkStop(d.Cause)
		w.count("suspensions: " + d.Cause)
		if w.pod != nil && w.pod.startFailure != "" && d.StartFailure != "" {
			w.count("suspensions after a start failure")
		}
		w.truth.suspended, w.truth.suspendedAt, w.truth.resumed = d.Cause, w.now, false
		w.scale(0)
	case !d.Run:
		w.truth.suspended = d.Cause
	}
}

// setStatus records what the next pass reads of this one.
func (w *world) setStatus(d lifecycle.Decision) {
	w.cause = d.Cause
	now := w.operatorTime().Truncate(time.Second)
	if w.truth.known.IsZero() {
		w.truth.known = now
	}
	switch {
	case d.Warning != nil && !d.Warning.Last:
		w.announced = time.Time{}
	case d.Warning != nil && (w.announced.IsZero() || w.announced.After(now)):
		w.announced, w.truth.warned = now, w.now
	case d.Warning == nil && (!d.TracksActivity || d.Activity != nil || !d.Run):
		w.announced = time.Time{}
	}
	if w.deletes = d.DeletesAt; d.Cause != devv1.ReasonExpired {
		w.expired = nil
	}
	switch {
	case d.Run:
		w.suspended = time.Time{}
	case (w.suspended.IsZero() || w.suspended.After(now)) && w.pod == nil:
		w.suspended = now
	}
}
