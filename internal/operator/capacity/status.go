package capacity

import (
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
)

// Status returns the status of a flavor, given the cluster at now.
func (c *Cluster) Status(f *devv1.DevServerFlavor, now time.Time) devv1.DevServerFlavorStatus {
	s := *f.Status.DeepCopy()
	s.ObservedGeneration = f.Generation
	s.InUse = new(c.inUse[f.Name])
	s.Fits = nil

	b, hopeless := newCandidate(f, c.runtimeClasses)
	v := hopeless
	if v == nil {
		r := c.room(b)
		s.Fits = new(int32(min(r.fits, math.MaxInt32)))
		v = new(c.judge(b, r))
	} else if v.schedulable == devv1.SchedulableNo {
		s.Fits = new(int32(0))
	}
	s.Schedulable = v.schedulable
	conditions := status.Conditions{List: &s.Conditions, Generation: f.Generation, Now: now}
	conditions.Set(devv1.ConditionSchedulable, conditionStatus(v.schedulable), v.reason, v.message)
	state, reason, message := c.defaultCondition(f)
	conditions.Set(devv1.ConditionDefault, state, reason, message)
	return s
}

func conditionStatus(s devv1.FlavorSchedulable) metav1.ConditionStatus {
	switch s {
	case devv1.SchedulableYes, devv1.SchedulableAutoscaled:
		return metav1.ConditionTrue
	case devv1.SchedulableNo:
		return metav1.ConditionFalse
	default:
		return metav1.ConditionUnknown
	}
}

func (c *Cluster) defaultCondition(f *devv1.DevServerFlavor) (state metav1.ConditionStatus, reason, message string) {
	switch {
	case !f.Spec.Default:
		return metav1.ConditionFalse, devv1.ReasonNotDefault, "Only servers that name this flavor get it."
	case c.defaultFlavor != nil && c.defaultFlavor.Name != f.Name:
		return metav1.ConditionFalse, devv1.ReasonOlderDefault, "The older flavor " + c.defaultFlavor.Name + " also has spec.default, and is the default. Remove spec.default from one of them."
	default:
		return metav1.ConditionTrue, devv1.ReasonIsDefault, "Servers that name no flavor get this one."
	}
}
