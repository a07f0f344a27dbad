package explain

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// Policy is when a server stops by itself, as its status reports it. complete is
// false while the status does not: the policy then follows from the DevServer and
// its flavor, which may be nil, and the cluster's defaults are missing in it.
func Policy(ds *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor) (p policy.Policy, complete bool) {
	// A schedule that cannot be read does not apply. The Ready condition reports it.
	p, _ = policy.Resolve(ds, flavor, policy.Defaults{})
	reported := ds.Status.Lifecycle
	if reported == nil {
		return p, false
	}
	applies := &devserverv1.DevServer{}
	applies.Spec.Lifecycle = &devserverv1.LifecycleSpec{
		IdleTimeout: reported.IdleTimeout, TimeToLive: reported.TimeToLive, OnExpire: reported.OnExpire,
		DeleteAfterSuspended: reported.DeleteAfterSuspended, Schedule: reported.Schedule,
	}
	r, _ := policy.Resolve(applies, nil, policy.Defaults{})
	p.IdleTimeout, p.TimeToLive, p.OnExpire, p.DeleteAfter, p.Schedule = r.IdleTimeout, r.TimeToLive, r.OnExpire, r.DeleteAfter, r.Schedule
	return p, true
}

func (f Facts) policy() (p policy.Policy, complete bool) { return Policy(f.DevServer, f.Flavor) }

// keptAwakeUntil is until when the Lease keeps the server awake; zero for not, or
// if it is not known: the flavor can bound it.
func (f Facts) keptAwakeUntil() time.Time {
	if f.Flavor == nil {
		return time.Time{}
	}
	startedAt := ptr.Deref(f.DevServer.Status.StartedAt, metav1.Time{}).Time
	p, _ := f.policy()
	if until := p.KeptAwakeUntil(lease.Of(f.Lease), startedAt, f.Now); until.After(f.Now) {
		return until
	}
	return time.Time{}
}

// lastActivity is the latest that the Lease or the status knows of; zero if
// neither does.
func (f Facts) lastActivity() time.Time {
	at := lease.Of(f.Lease).RenewTime
	if t := f.DevServer.Status.LastActivityAt; t != nil && t.After(at) {
		at = t.Time
	}
	if at.After(f.Now) {
		return f.Now // A clock is ahead.
	}
	return at
}
