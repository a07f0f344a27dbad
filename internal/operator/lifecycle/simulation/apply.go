package simulation

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// runs lets the box be as was decided.
func (w *world) runs(d lifecycle.Decision) {
	switch {
	case d.Run && w.replicas == 0:
		w.checkWake()
		w.count("wakes")
		w.truth.asleep = ""
		w.scale(1)
	case !d.Run && w.replicas == 1:
		w.checkStop(d.Cause)
		w.count("suspensions: " + string(d.Cause))
		if w.pod != nil && w.pod.hindered != "" && d.StartFailure != "" {
			w.count("hindered boxes suspended")
		}
		w.truth.asleep, w.truth.asleepAt, w.truth.woken = d.Cause, w.now, false
		w.scale(0)
	case !d.Run:
		w.truth.asleep = d.Cause
	}
}

// setStatus is what the next pass is told of this one.
func (w *world) setStatus(d lifecycle.Decision) {
	w.observed, w.cause = w.server.Generation, d.Cause
	now := w.operatorTime().Truncate(time.Second)
	if w.truth.known.IsZero() {
		w.truth.known = now
	}
	switch {
	case d.Warning != nil && !d.Warning.Last:
		w.announced = time.Time{}
	case d.Warning != nil && (w.announced.IsZero() || w.announced.After(now)):
		w.announced, w.truth.told = now, w.now
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
