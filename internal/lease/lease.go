// Package lease is the meaning of a server's Lease: the server's last activity, until
// when it is kept awake, and whether it is suspended. The operator, the gateway, devctl
// and kubectl write Leases.
//
// renewTime is the last activity. acquireTime + leaseDurationSeconds is until
// when the server is kept awake. The annotation devserver.io/asleep, which only
// the operator writes, holds a Suspension.
package lease

import (
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Lease is what a server's Lease says. Its zero value stands for no Lease.
type Lease struct {
	// RenewTime is the last known activity. A change of it wakes a suspended
	// server.
	RenewTime time.Time
	// KeepAwakeFrom and KeepAwakeFor are the time for which the Lease keeps the server
	// awake; zero for none.
	KeepAwakeFrom time.Time
	KeepAwakeFor  time.Duration
	// Suspension is set while the server is suspended for being idle.
	Suspension *Suspension
}

// Of reads a Lease, which may be nil.
func Of(object *coordinationv1.Lease) Lease {
	if object == nil {
		return Lease{}
	}
	l := Lease{Suspension: ParseSuspension(object.Annotations[AnnotationSuspension])}
	if t := object.Spec.RenewTime; t != nil {
		l.RenewTime = t.Time
	}
	if from, seconds := object.Spec.AcquireTime, object.Spec.LeaseDurationSeconds; from != nil && seconds != nil {
		l.KeepAwakeFrom, l.KeepAwakeFor = from.Time, time.Duration(*seconds)*time.Second
	}
	return l
}

// Skew is how far two clocks may be apart, each of which is wrong by up to an
// hour. A time that is further in the future is not believed.
const Skew = 2 * time.Hour

// KeptAwakeUntil is until when the Lease keeps the server awake; zero for not.
// longest bounds it, unless that is 0. A time that begins in the future, by more
// than clocks may differ, does not count.
func (l Lease) KeptAwakeUntil(longest time.Duration, now time.Time) time.Time {
	if l.KeepAwakeFrom.IsZero() || l.KeepAwakeFor <= 0 || l.KeepAwakeFrom.After(now.Add(Skew)) {
		return time.Time{}
	}
	if longest > 0 {
		return l.KeepAwakeFrom.Add(min(l.KeepAwakeFor, longest))
	}
	return l.KeepAwakeFrom.Add(l.KeepAwakeFor)
}

// KeepAwake are the fields of a Lease's spec that keep a server awake from now
// on, for the length of time in whole seconds.
func KeepAwake(now time.Time, length time.Duration) map[string]any {
	return map[string]any{
		"acquireTime":          metav1.NewMicroTime(now),
		"leaseDurationSeconds": int32(min(int64(length/time.Second), math.MaxInt32)),
	}
}

// EndKeepAwake are the fields of a Lease's spec that keep a server awake no more.
func EndKeepAwake() map[string]any {
	return map[string]any{"acquireTime": nil, "leaseDurationSeconds": nil}
}

// Wake are the fields of a Lease's spec that wake a suspended server.
func Wake(l Lease, now time.Time) map[string]any {
	at := Micro(now)
	if at.Equal(Micro(l.RenewTime)) {
		at = at.Add(time.Microsecond) // Only another value wakes it.
	}
	return map[string]any{"renewTime": metav1.NewMicroTime(at)}
}

// Micro is a time as the Kubernetes API keeps it in a Lease.
func Micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}
