package account

import (
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// limits are the objects that limit what the user may use.
func limits(u *devv1.DevServerUser) []runtime.ApplyConfiguration {
	var all []runtime.ApplyConfiguration
	if len(u.Spec.Quota) > 0 {
		all = append(all, quota(u))
	}
	if len(u.Spec.LimitRange) > 0 {
		all = append(all, limitRange(u))
	}
	return all
}

func quota(u *devv1.DevServerUser) *corev1ac.ResourceQuotaApplyConfiguration {
	return corev1ac.ResourceQuota(Name, NamespaceName(u)).
		WithLabels(labels(u)).
		WithOwnerReferences(objects.ControlledBy("DevServerUser", u)).
		WithSpec(corev1ac.ResourceQuotaSpec().WithHard(u.Spec.Quota))
}

func limitRange(u *devv1.DevServerUser) *corev1ac.LimitRangeApplyConfiguration {
	spec := corev1ac.LimitRangeSpec()
	for _, item := range u.Spec.LimitRange {
		limit := corev1ac.LimitRangeItem().WithType(item.Type)
		if len(item.Min) > 0 {
			limit.WithMin(item.Min)
		}
		if len(item.Max) > 0 {
			limit.WithMax(item.Max)
		}
		if len(item.Default) > 0 {
			limit.WithDefault(item.Default)
		}
		if len(item.DefaultRequest) > 0 {
			limit.WithDefaultRequest(item.DefaultRequest)
		}
		spec.WithLimits(limit)
	}
	return corev1ac.LimitRange(Name, NamespaceName(u)).
		WithLabels(labels(u)).
		WithOwnerReferences(objects.ControlledBy("DevServerUser", u)).
		WithSpec(spec)
}
